/** The environment: the one place that reads it. */
export const env: NodeJS.ProcessEnv = process.env
