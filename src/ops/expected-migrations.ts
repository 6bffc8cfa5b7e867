// How many migrations this Worker was built with. src/ cannot read migrations/ at run time; test/node/operations.test.ts
// holds the figure to the journal.

/** Entries of migrations/meta/_journal.json. */
export const expectedMigrations = 8
