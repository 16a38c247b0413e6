import { useEffect, useState } from 'react'

/**
 * Gives the focus back to what had it before a dialog came. Mantine does so only for dialogs that stay in the tree while they
 * are closed; ours leave it, and forget what they hold.
 */
export function useReturnFocus(): void {
  const [before] = useState(() => openerOf(document.activeElement))
  useEffect(
    () => () => {
      // Once the dialog has let go of it, and unless something else has taken it.
      setTimeout(() => {
        const isFree = document.activeElement === null || document.activeElement === document.body
        if (isFree && before instanceof HTMLElement && before.isConnected) before.focus()
      })
    },
    [before],
  )
}

/** Items of a menu are gone once one was chosen: what opened the menu is what stays (WAI-ARIA, `aria-labelledby` of it). */
function openerOf(focused: Element | null): Element | null {
  const opener = focused?.closest('[role="menu"]')?.getAttribute('aria-labelledby')
  return opener ? document.getElementById(opener) : focused
}
