// Starts ReDoc on /redoc. A file of its own, since no script of ours stands inside a page.

// ReDoc shows its maker's logo from another origin, which our policy refuses: it gets an address that fails quietly, and
// leaves the picture out.
const source = Object.getOwnPropertyDescriptor(HTMLImageElement.prototype, 'src')
const setAttribute = Element.prototype.setAttribute
const ownOrNothing = (address) => (new URL(address, location.href).origin === location.origin ? address : 'data:,')
Object.defineProperty(HTMLImageElement.prototype, 'src', {
  ...source,
  set(address) {
    source.set.call(this, ownOrNothing(address))
  },
})
HTMLImageElement.prototype.setAttribute = function (name, value) {
  setAttribute.call(this, name, name === 'src' ? ownOrNothing(value) : value)
}

window.Redoc.init(
  '/openapi.json',
  {
    hideDownloadButton: false,
    nativeScrollbars: true,
    // ReDoc's own menu sticks below our header.
    scrollYOffset: 0,
    theme: {
      colors: { primary: { main: '#17594a' } },
      typography: {
        fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif',
        headings: { fontFamily: 'system-ui, -apple-system, "Segoe UI", Roboto, sans-serif' },
        code: { fontFamily: 'ui-monospace, "SF Mono", Menlo, Consolas, monospace' },
      },
    },
  },
  document.getElementById('redoc'),
)
