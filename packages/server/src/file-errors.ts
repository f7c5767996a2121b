const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

/** Whether a call failed because there is no such file. */
export const isMissing = (error: unknown): boolean => hasCode(error, "ENOENT");
/** Whether a call failed because the file is there already. */
export const isTaken = (error: unknown): boolean => hasCode(error, "EEXIST");
