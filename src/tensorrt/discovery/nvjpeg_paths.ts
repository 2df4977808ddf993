/** Where nvJPEG is besides the loader's path and CUDA's own folders, which libtrtd looks at itself. */
import { join } from "node:path";
import { foldersLike, namesIn, pythonFolders, type SearchSystem, thisSearchSystem } from "./discovery_folders.ts";

/** `site-packages/NAME` of NVIDIA's wheels: `nvidia-nvjpeg` for CUDA 13, `nvidia-nvjpeg-cu12` and `-cu11`. */
const WHEEL_FOLDERS = ["nvidia/cu*/lib", "nvidia/nvjpeg/lib"];
/** Toolkits beside the one that `/usr/local/cuda` names. */
const TOOLKITS = ["/usr/local/cuda-*/lib64", "/usr/local/cuda-*/targets/*/lib"];

/**
 * Existing files for `JpegDecoder.find`, best first.
 * @param toolkits patterns of folders
 */
export function nvJpegPaths(
  system: SearchSystem = thisSearchSystem(),
  toolkits: readonly string[] = TOOLKITS,
): string[] {
  const folders = [
    ...pythonFolders(system).flatMap(({ folder }) => WHEEL_FOLDERS.flatMap((name) => foldersLike(join(folder, name)))),
    ...toolkits.flatMap(foldersLike),
  ];
  const files = folders.flatMap((folder) =>
    namesIn(folder).filter((name) => /^libnvjpeg\.so\.\d+$/.test(name)).map((name) => join(folder, name))
  );
  return [...new Set(files)];
}
