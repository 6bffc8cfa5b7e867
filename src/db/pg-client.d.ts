// The driver's client by itself: the package's front door brings its pool and its native binding along.

declare module 'pg/lib/client' {
  export { Client as default } from 'pg'
}
