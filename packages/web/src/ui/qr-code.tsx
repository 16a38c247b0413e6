import encodeQR from 'qr'
import { useMemo } from 'react'

/** Light modules around the code (ISO/IEC 18004 §5.3.8 asks for four). */
const BORDER = 4

/** A text as a QR code, dark on light in either theme, since readers expect it so. */
export function QrCode({ text, label, pixels }: { text: string; label: string; pixels: number }) {
  const { size, path } = useMemo(() => {
    const rows = encodeQR(text, 'raw', { ecc: 'medium', border: BORDER })
    const dark = rows.flatMap((row, y) => row.flatMap((isDark, x) => (isDark ? [`M${x} ${y}h1v1h-1z`] : [])))
    return { size: rows.length, path: dark.join('') }
  }, [text])
  return (
    <svg
      role="img"
      aria-label={label}
      viewBox={`0 0 ${size} ${size}`}
      width={pixels}
      height={pixels}
      shapeRendering="crispEdges"
      style={{ alignSelf: 'center', background: '#fff' }}
    >
      <path d={path} fill="#000" />
    </svg>
  )
}
