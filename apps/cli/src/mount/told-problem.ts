/** Problems on their way between threads and processes, which copy data but no classes. */
import { Problem } from "../problem.ts";
import type { ToldProblem } from "./protocol.ts";

export function toldProblem(problem: Problem): ToldProblem {
  const { message, hint, exitCode, cause } = problem;
  const stack = cause instanceof Error ? cause.stack : problem.stack;
  return { message, hint, exitCode, stack };
}

/** The problem again, with the stack of where it arose. */
export function heardProblem(told: ToldProblem): Problem {
  const cause = new Error(told.message);
  if (told.stack !== undefined) cause.stack = told.stack;
  return new Problem(told.message, told.hint, told.exitCode, cause);
}
