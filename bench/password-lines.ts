// What signing in by password costs: the share of it that is the hash, and the memory of ten logins at once.
import { fixed, type Line, mib } from './figures.ts'
import type { Measured } from './measure.ts'
import { emptyControl, hashControl } from './rates.ts'
import type { Results } from './run.ts'

const hashingShare = 0.9
const mostBytes = 128 * 1_048_576

export function passwordLines({ groups, tenLogins }: Results): Line[] {
  const group = groups.find(([control]) => control?.name === hashControl) ?? []
  return [...shareLines(group), ...memoryLines(tenLogins)]
}

/**
 * Processor time of the hash control without the empty Worker's, to that of the path: both of them taken as their
 * ratios to the hash control within each round.
 */
function shareLines(group: readonly Measured[]): Line[] {
  const [, empty, ...paths] = group
  if (empty?.name !== emptyControl) return []
  return paths.map((path): Line => {
    const share =
      empty.cpuRatio === null || path.cpuRatio === null ? null : (1 - empty.cpuRatio) / Math.max(path.cpuRatio, 0.001)
    const isBudgeted = path.name === 'password login'
    return {
      path: `${path.name}: hashing's share of workerd's processor time`,
      measured: fixed(share),
      budget: isBudgeted ? `≥ ${hashingShare}` : 'none',
      isKept: isBudgeted && share !== null ? share >= hashingShare : null,
    }
  })
}

function memoryLines({ atOnce, logins, ...measured }: Results['tenLogins']): Line[] {
  const { before, afterOne, peak, emptyBytes, instances, instanceBytes } = measured
  const over = peak === null || emptyBytes === null ? null : peak - emptyBytes
  return [
    {
      path: `memory of ${atOnce} logins at once`,
      measured: `${mib(over)} over an empty Worker (${mib(before)} before the first, ${mib(afterOne)} after it, ${mib(peak)} at most of ${logins})`,
      budget: '< 128 MB',
      isKept: over === null ? null : over < mostBytes,
    },
    {
      path: `argon2 instances with ${atOnce} logins at once`,
      measured: `${fixed(instances, 0)} (it takes ${mib(instanceBytes)})`,
      budget: '1',
      isKept: instances === null ? null : Math.round(instances) === 1,
    },
  ]
}
