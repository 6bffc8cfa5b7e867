// The search language in a dozen lines, folded away under the search box.

const operators: readonly [string, string][] = [
  ['from:ada to:me', 'who wrote it, whom it went to; cc: and bcc: likewise'],
  ['subject:invoice', 'a word of the subject'],
  ['"exact words"', 'these words, side by side'],
  ['-newsletter', 'without this word; works before any of these'],
  ['tea OR coffee', 'one of them; {tea coffee} says the same'],
  ['has:attachment', 'with a file; filename:pdf for one kind'],
  ['is:unread', 'or is:read, is:starred, is:important'],
  ['in:sent', 'or in:inbox, in:spam, in:trash, in:anywhere'],
  ['label:receipts', 'one of your labels'],
  ['after:2026/01/31', 'or before:, in UTC'],
  ['newer_than:7d', 'or older_than:, in days, months (m), years (y)'],
  ['larger:5M', 'or smaller:'],
  ['invo*', 'words that begin so'],
]

export const SearchHelp = () => (
  <details class="search-help">
    <summary>Search operators and keys</summary>
    <dl>
      {operators.map(([example, meaning]) => (
        <div>
          <dt>
            <code>{example}</code>
          </dt>
          <dd>{meaning}</dd>
        </div>
      ))}
    </dl>
    <p class="soft">
      Keys, with what your browser wants beside them (Alt, or Alt and Shift; Control and Option on a Mac): <kbd>s</kbd>{' '}
      to search, <kbd>c</kbd> to compose.
    </p>
  </details>
)
