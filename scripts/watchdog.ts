// A small second process that cleans up when its owner is gone, however it went (kill -9 included): it holds the other
// end of a pipe, and when that closes it stops the processes and removes the folders it was told about.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

type Order = { op: 'process' | 'group' | 'folder'; target: string; keep: boolean }

/** What a watchdog can be told. Each `watch…` returns a function that takes the order back. */
export interface Watchdog {
  /** Stop this process (SIGINT, then SIGKILL) if the owner dies. */
  watchProcess(pid: number): () => void
  /** Stop this whole process group (SIGTERM, then SIGKILL) if the owner dies. */
  watchGroup(pid: number): () => void
  /** Delete this folder, after the processes, if the owner dies. */
  watchFolder(path: string): () => void
}

let current: Watchdog | undefined

/** The watchdog of this process; started at the first call. It keeps nothing alive and needs no goodbye. */
export function watchdog(): Watchdog {
  if (current) return current
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url)], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
    cwd: '/',
  })
  const pipe = child.stdin
  child.unref()
  pipe.on('error', () => {})
  if ('unref' in pipe && typeof pipe.unref === 'function') pipe.unref()
  const tell = (order: Order): void => {
    pipe.write(`${JSON.stringify(order)}\n`)
  }
  const watch = (op: Order['op'], target: string) => {
    tell({ op, target, keep: true })
    return () => tell({ op, target, keep: false })
  }
  current = {
    watchProcess: (pid) => watch('process', String(pid)),
    watchGroup: (pid) => watch('group', String(pid)),
    watchFolder: (path) => watch('folder', path),
  }
  return current
}

/** True while the process (or, for a negative number, any process of that group) exists. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch {
    // Already gone.
  }
}

async function cleanUp(orders: Map<string, Order>): Promise<void> {
  const list = [...orders.values()]
  const pids: number[] = []
  for (const { op, target } of list) {
    if (op === 'process') {
      pids.push(Number(target))
      signal(Number(target), 'SIGINT')
    } else if (op === 'group') {
      pids.push(-Number(target))
      signal(-Number(target), 'SIGTERM')
    }
  }
  const deadline = Date.now() + 4000
  while (pids.some(isAlive) && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 50))
  for (const pid of pids.filter(isAlive)) signal(pid, 'SIGKILL')
  for (const { op, target } of list) {
    if (op === 'folder') rmSync(target, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
  }
}

async function main(): Promise<void> {
  // It outlives its owner on purpose, so no signal meant for the owner's group may end it first.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => {})
  const orders = new Map<string, Order>()
  for await (const line of createInterface({ input: process.stdin })) {
    const order: Order = JSON.parse(line)
    const key = `${order.op}:${order.target}`
    if (order.keep) orders.set(key, order)
    else orders.delete(key)
  }
  await cleanUp(orders)
  process.exit(0)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
