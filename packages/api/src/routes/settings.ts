import type { CoopSettings } from "@coop/core";
import type { SettingsView } from "@coop/protocol";
import type { ApiContext } from "../deps.ts";

/** `GET /admin/settings`: what is in force. */
export const settingsInForce =
  ({ settings }: { readonly settings: CoopSettings }) =>
  (c: ApiContext): Response => {
    const { money } = settings;
    const view: SettingsView = {
      object: "coop.settings",
      ...settings,
      money: { ...money, machines: { ...money.machines }, cloudPrices: [...money.cloudPrices] },
    };
    return c.json(view);
  };
