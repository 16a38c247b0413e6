// Loads the program that process.argv names, or the command line. Unpacked by main.ts beside the directory dist/.
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')

const [self, first] = process.argv
void import(pathToFileURL(first === self ? join(__dirname, 'dist/keyhold.js') : first).href)
