/** What two names of members have in common that may not both be in use: they differ by case or by encoding only. */
export const foldedName = (name: string): string => name.normalize("NFKC").toLowerCase();
