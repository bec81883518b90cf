/** A promise that is settled from outside (`Promise.withResolvers`, which Safari has only since 17.4). */
export class Deferred<T> {
  readonly promise: Promise<T>;
  resolve!: (value: T) => void;
  reject!: (reason: unknown) => void;

  constructor() {
    this.promise = new Promise<T>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Nobody may be waiting yet, and that is no error of the page.
    this.promise.catch(() => undefined);
  }
}
