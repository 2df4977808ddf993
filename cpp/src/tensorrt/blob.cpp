#include "blob.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace trtd {
namespace {

// errno of the first failure, 0 when all was written.
int writeAll(int descriptor, const uint8_t* data, uint64_t length) {
  constexpr uint64_t CHUNK = 1u << 28;
  while (length > 0) {
    const ssize_t written = write(descriptor, data, static_cast<size_t>(std::min(length, CHUNK)));
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    data += written;
    length -= static_cast<uint64_t>(written);
  }
  return 0;
}

}  // namespace

Blob::Blob(std::shared_ptr<Library> owner, std::shared_ptr<Object> maker, void* made, int32_t status)
    : Object(KIND), library(std::move(owner)), origin(std::move(maker)), memory(made) {
  data = static_cast<const uint8_t*>(library->call<void*>(made, HostMemory_data));
  bytes = library->call<size_t>(made, HostMemory_size);
  if (isNull(data) || bytes == 0) {
    fail(status, library->name() + " returned memory without bytes", TRTD_ORIGIN_TENSORRT);
  }
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_blob_size(uint64_t blob, uint64_t* bytes, trtd_error* error) {
  return guard(error, [&] {
    require(bytes != nullptr, "\"bytes\" must not be NULL");
    *bytes = get<Blob>(blob)->bytes;
  });
}

int32_t trtd_blob_read(uint64_t blob, uint64_t offset, void* data, uint64_t bytes, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Blob> source(blob);
    require(data != nullptr || bytes == 0, "\"data\" must not be NULL");
    if (offset > source->bytes || bytes > source->bytes - offset) {
      fail(TRTD_INVALID_ARGUMENT, std::to_string(bytes) + " bytes at " + std::to_string(offset) +
                                      " go beyond the blob's " + std::to_string(source->bytes));
    }
    if (bytes > 0) std::memcpy(data, source->data + offset, static_cast<size_t>(bytes));
  });
}

int32_t trtd_blob_write_file(uint64_t blob, const char* path, trtd_error* error) {
  return guard(error, [&] {
    require(path != nullptr && *path != 0, "\"path\" must not be empty");
    const Locked<Blob> source(blob);
    const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (file < 0) failSystem(TRTD_IO_ERROR, std::string("\"") + path + "\" cannot be made", errno);
    struct stat facts {};
    fstat(file, &facts);
    int failure = writeAll(file, source->data, source->bytes);
    if (failure == 0 && fsync(file) != 0) failure = errno;
    if (close(file) != 0 && failure == 0) failure = errno;
    if (failure != 0) {
      if (S_ISREG(facts.st_mode)) unlink(path);
      failSystem(TRTD_IO_ERROR, std::string("\"") + path + "\" cannot be written", failure);
    }
  });
}

int32_t trtd_blob_write_descriptor(uint64_t blob, int32_t descriptor, trtd_error* error) {
  return guard(error, [&] {
    const Locked<Blob> source(blob);
    const int failure = writeAll(descriptor, source->data, source->bytes);
    if (failure != 0) {
      failSystem(TRTD_IO_ERROR, "Descriptor " + std::to_string(descriptor) + " cannot be written", failure);
    }
  });
}
}
