import {
  Alert,
  type CSSVariablesResolver,
  createTheme,
  MantineProvider,
  Menu,
  Modal,
  Tooltip,
} from '@mantine/core'
import { QueryClientProvider } from '@tanstack/react-query'
import { RouterProvider } from '@tanstack/react-router'
import { queryClient } from './query-client.ts'
import { router } from './router.tsx'
import { shared } from './ui/messages.ts'
import { StepUp } from './ui/step-up.tsx'

const theme = createTheme({
  primaryColor: 'cyan',
  // Dark enough for white text on it, and bright enough on dark grounds: WCAG 1.4.3 in both.
  primaryShade: { light: 9, dark: 9 },
  defaultRadius: 'md',
  fontFamily:
    'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace',
  cursorType: 'pointer',
  respectReducedMotion: true,
  components: {
    // In its color, the heading has too little contrast on its ground (WCAG 1.4.3); the icon says it as well.
    Alert: Alert.extend({ styles: { title: { color: 'var(--mantine-color-text)' } } }),
    Menu: Menu.extend({
      defaultProps: {
        // A menu has items and nothing else, and is a part of the page's content.
        withInitialFocusPlaceholder: false,
        portalProps: { target: '#content' },
      },
    }),
    Tooltip: Tooltip.extend({ defaultProps: { portalProps: { target: '#content' } } }),
    Modal: Modal.extend({
      defaultProps: {
        closeButtonProps: { 'aria-label': shared.close },
        // A dialog's title bar is a <header>, which would be a second banner of the document.
        attributes: { header: { role: 'none' } },
      },
    }),
  },
})

/** Mantine's own grey for lesser text has a contrast of 3.3 on white; WCAG 1.4.3 wants 4.5. */
const readableGreys: CSSVariablesResolver = () => ({
  // Under the pointer Mantine takes a lighter shade, on which white has a contrast of 4.3.
  variables: {
    '--mantine-color-cyan-filled-hover': '#095c6b',
    '--mantine-primary-color-filled-hover': '#095c6b',
  },
  light: {
    '--mantine-color-cyan-filled-hover': '#095c6b',
    '--mantine-color-dimmed': 'var(--mantine-color-gray-7)',
    '--mantine-color-placeholder': 'var(--mantine-color-gray-7)',
    '--mantine-color-error': 'var(--mantine-color-red-9)',
  },
  dark: {
    '--mantine-color-cyan-filled-hover': '#095c6b',
    '--mantine-color-dimmed': 'var(--mantine-color-dark-1)',
    '--mantine-color-placeholder': 'var(--mantine-color-dark-1)',
    '--mantine-color-error': 'var(--mantine-color-red-4)',
  },
})

/** Everything around the pages. @param nonce of the styles that are made in the browser. */
export function Application({ nonce }: { nonce: string }) {
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      getStyleNonce={() => nonce}
      cssVariablesResolver={readableGreys}
    >
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
        <StepUp />
      </QueryClientProvider>
    </MantineProvider>
  )
}
