// Gmail's quota units: what each mailbox spent, in all and in its worst minute, and whether it may spend more.

const WINDOW_MS = 60_000

interface Account {
  total: number
  highest: number
  inWindow: number
  /** Oldest first, none older than the window. */
  spent: { at: number; units: number }[]
}

export interface Quota {
  /** False where the limit forbids it; what is refused costs nothing. @param limit null: none */
  spend(email: string, units: number, at: number, limit: number | null): boolean
  report(): { units: Record<string, number>; max_units_per_minute: Record<string, number> }
  /** Forgets what was spent, the running minute too. */
  reset(): void
}

export function createQuota(): Quota {
  const accounts = new Map<string, Account>()
  return {
    spend(email, units, at, limit) {
      const account = accounts.get(email) ?? { total: 0, highest: 0, inWindow: 0, spent: [] }
      accounts.set(email, account)
      let old = 0
      for (const entry of account.spent) {
        if (entry.at > at - WINDOW_MS) break
        account.inWindow -= entry.units
        old++
      }
      if (old > 0) account.spent.splice(0, old)
      if (limit !== null && account.inWindow + units > limit) return false
      account.spent.push({ at, units })
      account.inWindow += units
      account.total += units
      account.highest = Math.max(account.highest, account.inWindow)
      return true
    },
    report: () => ({
      units: Object.fromEntries([...accounts].map(([email, { total }]) => [email, total])),
      max_units_per_minute: Object.fromEntries([...accounts].map(([email, { highest }]) => [email, highest])),
    }),
    reset() {
      accounts.clear()
    },
  }
}
