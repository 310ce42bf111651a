/** Places in the array that the serving thread shares with another one: see `ServeOptions.activity`. */
export const ACTIVITY_CHANGED = 0;
export const ACTIVITY_SYNC = 1;
