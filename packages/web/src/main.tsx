import '@mantine/core/styles.css'
import '@mantine/spotlight/styles.css'
import './ui/application.css'
import { setNonce } from 'get-nonce'
import { createRoot } from 'react-dom/client'
import { Application } from './application.tsx'
import { allowStyleSheetsOnly } from './trusted-types.ts'

const nonce = document.querySelector<HTMLMetaElement>('meta[name=style-nonce]')?.content ?? ''
allowStyleSheetsOnly()
// For the library that keeps the page from scrolling under a dialog, which writes a style sheet of its own.
setNonce(nonce)
createRoot(document.querySelector('#root')!).render(<Application nonce={nonce} />) // `!`: index.html has it.
