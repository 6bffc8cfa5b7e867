// What the bundler makes of a .wasm import: a module that was compiled at deploy.

declare module '*.wasm' {
  const compiled: WebAssembly.Module
  export default compiled
}
