interface Policies {
  createPolicy(name: string, rules: { createHTML(text: string): string }): unknown
}

/**
 * Lets text become markup only where it is a style sheet: Mantine writes its variables into `<style>` by innerHTML. What has
 * a `<` in it is no style sheet of Mantine's, and stays refused by the page's policy (require-trusted-types-for).
 */
export function allowStyleSheetsOnly(): void {
  const { trustedTypes } = globalThis as { trustedTypes?: Policies } // `as`: browsers without them have none.
  trustedTypes?.createPolicy('default', {
    createHTML(text) {
      if (text.includes('<')) throw new TypeError('text may not become markup')
      return text
    },
  })
}
