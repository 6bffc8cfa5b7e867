// Stands in for the front door of htmlparser2, which brings a DOM along: its parser and tokenizer by themselves. The
// default export is what the runtime answers a `require` with.

import { Parser } from '../node_modules/htmlparser2/dist/Parser.js'
import Tokenizer from '../node_modules/htmlparser2/dist/Tokenizer.js'

export { Parser, Tokenizer }
export default { Parser, Tokenizer }
