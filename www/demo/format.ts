const number = (digits: number) => new Intl.NumberFormat("en", { maximumFractionDigits: digits });

export function bytes(count: number): string {
  if (count < 1e6) return `${number(0).format(count / 1e3)} kB`;
  if (count < 1e9) return `${number(count < 1e7 ? 1 : 0).format(count / 1e6)} MB`;
  return `${number(2).format(count / 1e9)} GB`;
}

export function rate(perSecond: number): string {
  return number(perSecond < 10 ? 2 : perSecond < 100 ? 1 : 0).format(perSecond);
}

export function milliseconds(ms: number): string {
  return ms < 1000 ? `${number(ms < 10 ? 1 : 0).format(ms)} ms` : `${number(1).format(ms / 1000)} s`;
}

export function timeLeft(seconds: number): string {
  if (seconds < 1) return "less than a second left";
  if (seconds < 60) return `${number(0).format(seconds)} s left`;
  return `${number(0).format(Math.floor(seconds / 60))} min ${number(0).format(seconds % 60)} s left`;
}

export function parameters(count: number): string {
  if (count >= 1e9) return `${number(1).format(count / 1e9)} B parameters`;
  return `${number(1).format(count / 1e6)} M parameters`;
}

export function tokens(count: number): string {
  return `${number(0).format(count)} ${count === 1 ? "token" : "tokens"}`;
}

/** How long ago, in days. */
export function day(date: Date): string {
  const midnight = (of: Date) => new Date(of).setHours(0, 0, 0, 0);
  const days = Math.round((midnight(date) - midnight(new Date())) / 86_400_000);
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(days, "day");
}

export const count = (value: number): string => number(0).format(value);
