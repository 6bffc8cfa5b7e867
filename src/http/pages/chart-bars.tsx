// Stacked bars as SVG, drawn on the server from the figures they are given. Pure. Widths are per cent and letters are
// pixels, so a phone gets narrower bars and no smaller words. Colour never stands alone: each outcome has a texture of its
// own, its place in the stack and its name in the legend.

import type { Child } from 'hono/jsx'
import type { RefreshOutcomeCode } from '../../ops/refresh-health.ts'

const plotHeight = 180
const topSpace = 12
const axisSpace = 26
/** A figure that is not nothing is to be seen, however tall its neighbours are. */
const leastHeight = 3

/** From the ground up. */
export const stack = ['refreshed', 'retry', 'misconfigured', 'dead'] as const satisfies readonly RefreshOutcomeCode[]

const short = new Intl.NumberFormat('en', { notation: 'compact' })

interface Segment {
  readonly texture: RefreshOutcomeCode
  readonly count: number
}

export interface Bar {
  /** Shown where the pointer rests. */
  readonly words: string
  readonly segments: readonly Segment[]
  /** Under the bar: always, on wide screens only, or not at all. */
  readonly tick: { readonly text: string; readonly isFor: 'all' | 'wide' } | null
  readonly isIncomplete: boolean
}

/** The steps of an axis up to `most`: whole numbers, 1, 2 or 5 times a power of ten apart, four or five of them. */
export function axisSteps(most: number): number[] {
  const rough = Math.max(1, most / 4)
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power
  const steps = Math.max(1, Math.ceil(most / step))
  return Array.from({ length: steps + 1 }, (_, index) => index * step)
}

export const Swatch = ({ texture }: { texture: RefreshOutcomeCode }) => (
  <svg class="swatch" width="18" height="18" aria-hidden="true" focusable="false">
    <Textures id={`legend-${texture}`} only={texture} />
    <rect class={`bar ${texture}`} width="18" height="18" fill={`url(#legend-${texture}-${texture})`} />
  </svg>
)

export const IncompleteSwatch = () => (
  <svg class="swatch" width="18" height="18" aria-hidden="true" focusable="false">
    <rect class="chart-incomplete" width="18" height="18" />
  </svg>
)

interface BarsProps {
  readonly id: string
  readonly title: string
  readonly description: string
  readonly bars: readonly Bar[]
}

export const Bars = ({ id, title, description, bars }: BarsProps) => {
  const most = Math.max(...bars.map(({ segments }) => segments.reduce((sum, { count }) => sum + count, 0)))
  const steps = axisSteps(most)
  const top = steps.at(-1) ?? 1
  const ground = topSpace + plotHeight
  const slot = 100 / bars.length
  const percent = (value: number) => `${Number(value.toFixed(3))}%`
  return (
    <svg
      class="bars"
      width="100%"
      height={ground + axisSpace}
      role="img"
      aria-labelledby={`${id}-title`}
      aria-describedby={`${id}-desc`}
    >
      <title id={`${id}-title`}>{title}</title>
      <desc id={`${id}-desc`}>{description}</desc>
      <Textures id={id} />
      {bars.map(({ isIncomplete }, index) =>
        isIncomplete ? (
          <rect
            class="chart-incomplete"
            x={percent(index * slot)}
            y={topSpace}
            width={percent(slot)}
            height={plotHeight}
          />
        ) : null,
      )}
      {steps.map((step) => {
        const y = ground - (step / top) * plotHeight
        return (
          <>
            <line class={step === 0 ? 'chart-ground' : 'chart-line'} x1="0" x2="100%" y1={y} y2={y} />
            <text class="chart-words" x="-8" y={y} dy="0.32em" text-anchor="end">
              {short.format(step)}
            </text>
          </>
        )
      })}
      {bars.map(({ words, segments, tick }, index) => {
        const placed = placeSegments(segments, top, ground)
        const middle = percent((index + 0.5) * slot)
        return (
          <g>
            <title>{words}</title>
            {placed.map(({ texture, y, height }) => (
              <rect
                class={`bar ${texture}`}
                x={percent((index + 0.12) * slot)}
                width={percent(0.76 * slot)}
                y={y}
                height={height}
                fill={`url(#${id}-${texture})`}
              />
            ))}
            {tick === null ? null : (
              <text
                class={tick.isFor === 'wide' ? 'chart-words wide-only' : 'chart-words'}
                x={middle}
                y={ground + 18}
                text-anchor="middle"
              >
                {tick.text}
              </text>
            )}
          </g>
        )
      })}
    </svg>
  )
}

/** Where each segment stands, from the ground up; what is nothing has no place. */
export function placeSegments(
  segments: readonly Segment[],
  top: number,
  ground: number,
): { readonly texture: RefreshOutcomeCode; readonly y: number; readonly height: number }[] {
  let y = ground
  return segments
    .filter(({ count }) => count > 0)
    .map(({ texture, count }) => {
      const height = Math.max(leastHeight, Number(((count / top) * plotHeight).toFixed(2)))
      y = Number((y - height).toFixed(2))
      return { texture, y, height }
    })
}

/** Plain, slanted, dotted, crossed: to be told apart without colour. */
const Textures = ({ id, only }: { id: string; only?: RefreshOutcomeCode }) => (
  <defs>
    {stack
      .filter((code) => only === undefined || code === only)
      .map((code) => (
        <pattern id={`${id}-${code}`} width="7" height="7" patternUnits="userSpaceOnUse">
          <rect class={`texture ${code}`} width="7" height="7" />
          {textureMarks[code]()}
        </pattern>
      ))}
  </defs>
)

const textureMarks: Readonly<Record<RefreshOutcomeCode, () => Child>> = {
  refreshed: () => null,
  retry: () => <path class="texture-mark" d="M-1.75 1.75 1.75-1.75M0 7 7 0M5.25 8.75 8.75 5.25" />,
  misconfigured: () => <circle class="texture-dot" cx="3.5" cy="3.5" r="1.6" />,
  dead: () => <path class="texture-mark" d="M0 0 7 7M7 0 0 7" />,
}
