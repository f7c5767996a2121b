/** Copies of everything in the store, as of one moment. */
export interface StoreSnapshots {
  /**
   * Writes one.
   * @returns the file's path on this machine; null when the store is kept elsewhere, by others
   */
  take(): Promise<string | null>;
}
