import type { FileProblem } from '@keyhold/contract/api/deliveries'

/** What each problem means, after the name of the file. */
export const problemTexts: Readonly<Record<FileProblem, string>> = {
  'no-memory':
    'neither XDG_RUNTIME_DIR nor /dev/shm nor /run is a directory in memory that can be used, and values are not written to a disk',
  outside: 'it is outside the home directory; allow its folder with keyhold agent --allow-path=DIRECTORY',
  'no-folder': 'a folder on the way is a link, or no folder',
  'foreign-folder': 'a folder on the way belongs to somebody else, or others can write to it',
  taken: 'something is there that Keyhold did not put there: move it away',
  failed: 'the system refused it',
}
