/** What keeps the agent running on this machine after its owner has logged out, and brings it back when it ends. */
export interface Service {
  /** Such as "systemd, for this user". */
  readonly kind: string;
  /** The file that describes it. */
  readonly path: string;
  isInstalled(): Promise<boolean>;
  /** Writes the file, or replaces one that says something else, and starts the agent or starts it anew. */
  install(command: ServiceCommand): Promise<"installed" | "updated">;
  /** Starts the agent anew, with the file as it is: what it was installed with holds. */
  restart(): Promise<void>;
  /** Stops the agent and removes the file. */
  uninstall(): Promise<"uninstalled" | "not-installed">;
  /** What the owner may want to know: where the log is, what else to run. */
  readonly hints: readonly string[];
}

/** The program that a service runs, and what it has to know. */
export interface ServiceCommand {
  /** Absolute: the program and its arguments. */
  readonly command: readonly [string, ...string[]];
  readonly environment: Readonly<Record<string, string>>;
}

export type FoundService =
  | { readonly kind: "found"; readonly service: Service }
  /** `byHand` says how to run the agent without one. */
  | { readonly kind: "none"; readonly why: string; readonly byHand: string };

/** What the machine says of itself. */
export interface ServiceHost {
  readonly platform: string;
  readonly userId: number;
  readonly userName: string;
  readonly userHome: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Runs one of the machine's own programs to its end; throws what `runTool` throws. */
  readonly run: (program: string, args: readonly string[]) => Promise<string>;
}
