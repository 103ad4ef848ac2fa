/**
 * Fetches the older client that browser tests use: `node build/older.mjs CACHE`. They run where
 * no registry can be reached.
 */

import path from "node:path";
import { olderLibrary } from "./library.mjs";

olderLibrary(path.resolve(process.argv[2]));
