let count = 0;
let isScheduled = false;

/**
 * A number that is the same for everything that one turn of the event loop brought, and another in the next. Costs one immediate for each
 * turn in which it is asked for.
 */
export function currentTurn(): number {
  if (!isScheduled) {
    isScheduled = true;
    setImmediate(() => {
      count++;
      isScheduled = false;
    });
  }
  return count;
}
