// Child processes: captured for set-up, in the foreground for tasks.
import { spawn } from "node:child_process";
import { constants } from "node:os";

/**
 * Runs a program to its end and keeps what it printed.
 * @param {string} program
 * @param {string[]} args
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<{ exitCode: number, output: string }>}
 */
export function runCaptured(program, args, cwd, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    const stopPassing = passSignals(child);
    child.once("error", (error) => {
      stopPassing();
      reject(error);
    });
    child.once("close", (code, signal) => {
      stopPassing();
      resolve({ exitCode: exitCodeOf(code, signal), output });
    });
  });
}

/**
 * Runs a program on this terminal to its end.
 * @param {string} program
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} env
 * @returns {Promise<number>} its exit code, 128 + the signal's number when a signal ended it
 */
export function runInForeground(program, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: "inherit" });
    const stopPassing = passSignals(child);
    child.once("error", (error) => {
      stopPassing();
      reject(error);
    });
    child.once("exit", (code, signal) => {
      stopPassing();
      resolve(exitCodeOf(code, signal));
    });
  });
}

/**
 * Passes signals on to the child and stays until it has ended. At a terminal Ctrl-C has already reached
 * the child, and a second one could mean "at once" to it.
 * @param {import("node:child_process").ChildProcess} child
 * @returns {() => void} stops passing
 */
function passSignals(child) {
  /** @param {NodeJS.Signals} signal */
  const pass = (signal) => {
    if (signal === "SIGINT" && process.stdin.isTTY) return;
    child.kill(signal);
  };
  /** @type {NodeJS.Signals[]} */
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"];
  for (const signal of signals) process.on(signal, pass);
  return () => {
    for (const signal of signals) process.off(signal, pass);
  };
}

/**
 * @param {number | null} code
 * @param {NodeJS.Signals | null} signal
 */
function exitCodeOf(code, signal) {
  if (signal !== null) return 128 + constants.signals[signal];
  return code ?? 1;
}
