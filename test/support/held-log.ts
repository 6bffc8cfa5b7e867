// What the Worker logs during a test stays in memory, and is shown where the test fails. Each test inside workerd has this.
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'

// Files share a global scope, and a file before may have left its own spy behind: the real one is kept from the first.
const kept = globalThis as { showLine?: typeof console.log }
kept.showLine ??= console.log
const show = kept.showLine
let held: unknown[][] = []

function hold(...words: unknown[]): void {
  held.push(words)
}

beforeAll(() => {
  console.log = hold
})

beforeEach(() => {
  held = []
})

afterEach(({ task }) => {
  if (task.result?.state !== 'fail') return
  show(`Logged during "${task.name}":`)
  for (const words of held) show(...words)
})

afterAll(() => {
  console.log = show
})
