// Leaves a copy of the lock file beside what was installed from it, so that build.rs knows when `npm ci` has nothing to do.
import { copyFileSync, existsSync } from 'node:fs';

const lock = new URL('../package-lock.json', import.meta.url);
const installed = new URL('../node_modules/', import.meta.url);
if (existsSync(lock) && existsSync(installed)) copyFileSync(lock, new URL('.installed-lock.json', installed));
