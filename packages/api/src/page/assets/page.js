// Keeps the co-op's page live. Everything is there without it but the prompt box and the figures that change.
// Speaks the same HTTP interface as any program; the session cookie stands for the key.
import { followAsking, offerModels } from "./asking.js";
import { tell } from "./dom.js";
import { followFleet } from "./fleet.js";
import { refresh } from "./mine.js";
import { showNodes } from "./nodes.js";
import { followJoining, showMembers } from "./operator.js";

const REFRESH_MS = 3_000;
const role = document.body.dataset["role"];

followFleet();
if (role !== "nobody") {
  followAsking(refresh);
  offerModels().catch(tell);
  refresh();
  setInterval(refresh, REFRESH_MS);
  document.addEventListener("visibilitychange", refresh);
}
if (role === "operator") {
  showMembers().catch(tell);
  const watchNodes = () => void showNodes().catch(tell);
  watchNodes();
  setInterval(watchNodes, REFRESH_MS);
  followJoining();
}
