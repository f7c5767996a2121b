/** The agent that a server hands to machines that join: an npm tarball. */
export interface AgentPackage {
  readonly version: string;
  /** Of the content, hex. */
  readonly sha256: string;
  readonly content: Uint8Array<ArrayBuffer>;
}
