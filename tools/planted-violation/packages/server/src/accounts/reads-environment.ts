// violates environment-is-read-in-config
export const used = process.env.HOME
