/*
 * Preloaded into trtd by test/chaos: stands for a decoder or an engine that one picture crashes. In a process whose
 * arguments say `worker`, reading bytes that contain the mark writes to address 0: V8 lets a signal that is only raised
 * pass.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static const char mark[] = "trtd-test-crash";
static int is_worker = -1;
static void *volatile nowhere = NULL;

static int worker(void) {
  char words[65536];
  int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t (*next)(int, void *, size_t) = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
  ssize_t count = next(file, words, sizeof words - 1);
  close(file);
  for (ssize_t at = 0; at < count; at += (ssize_t)strnlen(words + at, (size_t)(count - at)) + 1) {
    if (strncmp(words + at, "worker", 7) == 0) return 1;
  }
  return 0;
}

ssize_t read(int file, void *into, size_t size) {
  static ssize_t (*next)(int, void *, size_t);
  if (next == NULL) next = (ssize_t(*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");
  ssize_t count = next(file, into, size);
  if (count <= 0) return count;
  if (is_worker < 0) is_worker = worker();
  if (is_worker && memmem(into, (size_t)count, mark, sizeof mark - 1) != NULL) *(volatile int *)nowhere = 0;
  return count;
}
