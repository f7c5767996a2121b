/**
 * Loaded into every program that `coop up` starts, before the program itself: when the one that started it
 * is gone, however it ended, the program is asked to stop. So a killed `coop up` leaves nothing running.
 */
process.once("disconnect", () => process.kill(process.pid, "SIGTERM"));
process.channel?.unref();
