import { expect, test } from "vitest";
import {
  availablePressure,
  linuxPressure,
  macPressure,
  macThermal,
  raspberryThermal,
  temperatureThermal,
  worsePressure,
} from "./readings.ts";

test.for([
  ["1\n", "normal"],
  ["2\n", "warning"],
  ["4\n", "critical"],
  ["", null],
] as const)("macOS's memory pressure level %j is %s", ([text, level]) => {
  expect(macPressure(text)).toBe(level);
});

test.for([
  ["0.00", "normal"],
  ["12.50", "warning"],
  ["55.00", "critical"],
] as const)("Linux's memory stall of %s percent is %s", ([percent, level]) => {
  const text = `some avg10=${percent} avg60=0.00 avg300=0.00 total=0\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n`;
  expect(linuxPressure(text)).toBe(level);
});

test("a kernel without stall counts says nothing", () => {
  expect(linuxPressure("")).toBeNull();
});

test.for([
  [0.5, "normal"],
  [0.06, "warning"],
  [0.01, "critical"],
] as const)("%d of the memory left is %s", ([share, level]) => {
  expect(availablePressure(share * 8e9, 8e9)).toBe(level);
});

test("the worse pressure counts", () => {
  expect(worsePressure("normal", "critical")).toBe("critical");
  expect(worsePressure("warning", "normal")).toBe("warning");
});

test.for([
  ["com.apple.system.thermalpressurelevel 0", "nominal"],
  ["com.apple.system.thermalpressurelevel 1", "fair"],
  ["com.apple.system.thermalpressurelevel 2", "serious"],
  ["com.apple.system.thermalpressurelevel 3", "critical"],
  ["", "unknown"],
] as const)("macOS's %j is %s", ([text, level]) => {
  expect(macThermal(text)).toBe(level);
});

test.for([
  ["throttled=0x0", "nominal"],
  ["throttled=0x8", "fair"],
  ["throttled=0x50005", "serious"],
  ["throttled=0xe0000", "nominal"],
  ["Can't open device file: /dev/vcio", "unknown"],
] as const)("a Pi's %j is %s", ([text, level]) => {
  expect(raspberryThermal(text)).toBe(level);
});

test.for([
  [null, "unknown"],
  [60, "nominal"],
  [88, "fair"],
  [99, "serious"],
] as const)("%s degrees are %s", ([celsius, level]) => {
  expect(temperatureThermal(celsius)).toBe(level);
});
