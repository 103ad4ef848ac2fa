import assert from "node:assert/strict";
import { test } from "node:test";
// @ts-expect-error a script without types
import { freed } from "../build/library.mjs";

test("a bundle that is not as expected ends the build", () => {
  assert.equal(freed("a b a", [["a", "c", 2]]), "c b c");
  assert.throws(() => freed("a b a", [["a", "c", 1]]), /2 times, not 1/);
});
