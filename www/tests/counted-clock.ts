import type { Clock } from "../src/internal/download/request.js";

/**
 * A millisecond has passed by this clock when the process has run its event loop once more, and so has taken what had come for it. On a
 * machine that is busy with other things it stands still: whoever gives up after 60 ms has in truth heard nothing in 60 turns, in each
 * of which a server in the same process could speak.
 */
export function countedClock(): Clock {
  const alarms = new Set<{ at: number; ring: () => void }>();
  let now = 0;
  let turning = false;

  function turn(): void {
    turning = false;
    now++;
    // One that rings may take another back.
    for (const alarm of [...alarms].sort((a, b) => a.at - b.at)) {
      if (alarm.at <= now && alarms.delete(alarm)) alarm.ring();
    }
    if (alarms.size > 0) goOn();
  }

  function goOn(): void {
    if (!turning) setTimeout(turn, 1);
    turning = true;
  }

  return (ms, ring) => {
    const alarm = { at: now + Math.max(1, ms), ring };
    alarms.add(alarm);
    goOn();
    return () => void alarms.delete(alarm);
  };
}
