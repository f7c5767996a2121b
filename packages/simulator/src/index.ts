/** Machines that are not there: they speak Ollama's wire protocol at the speed that the capacity model gives them. */
export { SIMULATED_PROFILES, simulatedMachine } from "./machines/fleet.ts";
export type { SimulatedMachine } from "./machines/fleet.ts";
export { startSimulatedOllama } from "./machines/ollama-server.ts";
export type { SimulatedOllama } from "./machines/ollama-server.ts";
