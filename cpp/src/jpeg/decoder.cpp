#include <algorithm>
#include <future>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "jpeg.h"
#include "session.h"

namespace trtd {
namespace {

// Threads that check the files of one batch.
constexpr size_t THREADS_MAX = 8;

[[noreturn]] void refuse(size_t picture, const std::string& reason) {
  fail(TRTD_PICTURE_REFUSED, "Picture " + std::to_string(picture) + " is not decoded on the GPU: " + reason,
       TRTD_ORIGIN_SHIM, static_cast<int32_t>(picture));
}

}  // namespace

struct JpegDecoder::Parts {
  // What the host reads while the device is still at the picture before.
  struct Side {
    void* stream = nullptr;
    void* pinned = nullptr;
  };

  const Cuda& cuda;
  std::shared_ptr<NvJpegSession> session;
  const NvJpeg* const api;
  const int backend;
  void* const handle;
  void* params = nullptr;
  void* decoder = nullptr;
  void* state = nullptr;
  void* buffer = nullptr;
  Side sides[2];
  void* batch = nullptr;
  size_t batchSize = 0;
  std::vector<std::unique_ptr<JpegCheck>> checks;
  uint64_t decoded = 0;
  uint64_t refused = 0;

  Parts(const Cuda& driver, std::shared_ptr<NvJpegSession> shared, int kind)
      : cuda(driver), session(std::move(shared)), api(session->api.get()), backend(kind), handle(session->handle) {
    try {
      create();
    } catch (...) {
      destroy();
      throw;
    }
  }
  ~Parts() { destroy(); }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;

  void made(int status, const char* function) const { nvJpegMade(cuda, *api, status, function); }

  void create() {
    made(api->decodeParamsCreate(handle, &params), "nvjpegDecodeParamsCreate");
    made(api->decodeParamsSetOutputFormat(params, NVJPEG_OUTPUT_RGBI), "nvjpegDecodeParamsSetOutputFormat");
    made(api->decoderCreate(handle, backend, &decoder), "nvjpegDecoderCreate");
    made(api->decoderStateCreate(handle, decoder, &state), "nvjpegDecoderStateCreate");
    made(api->bufferDeviceCreate(handle, nullptr, &buffer), "nvjpegBufferDeviceCreate");
    made(api->stateAttachDeviceBuffer(state, buffer), "nvjpegStateAttachDeviceBuffer");
    for (Side& side : sides) {
      made(api->jpegStreamCreate(handle, &side.stream), "nvjpegJpegStreamCreate");
      made(api->bufferPinnedCreate(handle, nullptr, &side.pinned), "nvjpegBufferPinnedCreate");
    }
    if (backend == NVJPEG_HARDWARE) made(api->jpegStateCreate(handle, &batch), "nvjpegJpegStateCreate");
  }

  void destroy() noexcept {
    const auto end = [](int (*function)(void*), void*& object) {
      if (object != nullptr) function(object);
      object = nullptr;
    };
    end(api->jpegStateDestroy, batch);
    end(api->jpegStateDestroy, state);
    for (Side& side : sides) {
      end(api->jpegStreamDestroy, side.stream);
      end(api->bufferPinnedDestroy, side.pinned);
    }
    end(api->bufferDeviceDestroy, buffer);
    end(api->decoderDestroy, decoder);
    end(api->decodeParamsDestroy, params);
  }

  void took(int status, size_t picture, CudaStream stream) {
    if (status == NVJPEG_OK) return;
    cuda.check(cuda.streamSynchronize(stream), "cuStreamSynchronize");
    if (status == NVJPEG_ALLOCATOR_FAILURE) fail(TRTD_OUT_OF_MEMORY, "nvJPEG has no memory for the picture");
    if (status == NVJPEG_NOT_INITIALIZED || status == NVJPEG_INVALID_PARAMETER || status == NVJPEG_ARCH_MISMATCH) {
      fail(TRTD_INTERNAL, std::string("nvJPEG failed: ") + nvJpegStatusName(status));
    }
    ++refused;
    refuse(picture, std::string("nvJPEG says \"") + nvJpegStatusName(status) + "\"");
  }

  // Reads the headers of a file; what nvJPEG will write must be what there is room for.
  void parse(const JpegPicture& file, size_t picture, void* into, CudaStream stream) {
    took(api->jpegStreamParse(handle, file.data, file.bytes, 0, 0, into), picture, stream);
    unsigned width = 0;
    unsigned height = 0;
    took(api->jpegStreamGetFrameDimensions(into, &width, &height), picture, stream);
    if (width != static_cast<unsigned>(file.width) || height != static_cast<unsigned>(file.height)) {
      ++refused;
      refuse(picture, "nvJPEG reads " + std::to_string(width) + " x " + std::to_string(height) + " pixels instead of " +
                          std::to_string(file.width) + " x " + std::to_string(file.height));
    }
    int unsupported = 1;
    took(api->decoderJpegSupported(decoder, into, params, &unsupported), picture, stream);
    if (unsupported != 0) took(NVJPEG_JPEG_NOT_SUPPORTED, picture, stream);
  }

  static NvJpegImage place(const JpegPicture& file) {
    NvJpegImage image{};
    image.channel[0] = reinterpret_cast<unsigned char*>(file.rgb);
    image.pitch[0] = static_cast<size_t>(file.width) * 3;
    return image;
  }

  // The host's part of a picture runs while the device decodes the one before.
  void decodeEach(const JpegPicture* pictures, size_t count, CudaStream stream) {
    for (size_t i = 0; i < count; ++i) {
      Side& side = sides[i % 2];
      NvJpegImage image = place(pictures[i]);
      parse(pictures[i], i, side.stream, stream);
      took(api->stateAttachPinnedBuffer(state, side.pinned), i, stream);
      took(api->decodeJpegHost(handle, decoder, state, params, side.stream), i, stream);
      if (i > 0) cuda.check(cuda.streamSynchronize(stream), "cuStreamSynchronize");
      took(api->decodeJpegTransferToDevice(handle, decoder, state, side.stream, stream), i, stream);
      took(api->decodeJpegDevice(handle, decoder, state, &image, stream), i, stream);
    }
  }

  // All pictures in one call: the engines of the hardware share them out.
  void decodeTogether(const JpegPicture* pictures, size_t count, CudaStream stream) {
    std::vector<const unsigned char*> data(count);
    std::vector<size_t> bytes(count);
    std::vector<NvJpegImage> images(count);
    for (size_t i = 0; i < count; ++i) {
      parse(pictures[i], i, sides[0].stream, stream);
      data[i] = pictures[i].data;
      bytes[i] = pictures[i].bytes;
      images[i] = place(pictures[i]);
    }
    if (batchSize != count) {
      made(api->decodeBatchedInitialize(handle, batch, static_cast<int>(count), 1, NVJPEG_OUTPUT_RGBI),
           "nvjpegDecodeBatchedInitialize");
      batchSize = count;
    }
    const int status = api->decodeBatched(handle, batch, data.data(), bytes.data(), images.data(), stream);
    if (status == NVJPEG_OK) return;
    // Which picture it was is not told.
    batchSize = 0;
    cuda.check(cuda.streamSynchronize(stream), "cuStreamSynchronize");
    decodeEach(pictures, count, stream);
  }
};

JpegDecoder::JpegDecoder(std::shared_ptr<Device> owner, const char* path, int32_t backend, int32_t flags)
    : Object(KIND), device(std::move(owner)) {
  device->makeCurrent();
  const int chosen = backend == TRTD_JPEG_AUTO ? static_cast<int>(NVJPEG_HARDWARE) : backend;
  const bool interpolate = (flags & TRTD_JPEG_INTERPOLATE) != 0;
  parts_ = std::make_unique<Parts>(*device->cuda, nvJpegSession(*device, path, chosen, interpolate), chosen);
}

JpegDecoder::~JpegDecoder() {
  makeCurrentQuietly(device);
  parts_.reset();
}

void JpegInspection::finish() {
  for (std::future<void>& share : shares_) share.get();
  shares_.clear();
  for (size_t i = 0; i < wrong_.size(); ++i) {
    if (wrong_[i].empty()) continue;
    ++*refused_;
    refuse(i, wrong_[i]);
  }
  *decoded_ += std::exchange(pictures_, 0);
}

std::unique_ptr<JpegInspection> JpegDecoder::enqueue(const JpegPicture* pictures, size_t count, CudaStream stream) {
  device->makeCurrent();
  Parts& parts = *parts_;
  const size_t cores = std::max<size_t>(1, std::thread::hardware_concurrency() / 2);
  const size_t shares = std::min({count, cores, THREADS_MAX});
  while (parts.checks.size() < shares) parts.checks.push_back(std::make_unique<JpegCheck>());
  auto inspection = std::make_unique<JpegInspection>();
  inspection->refused_ = &parts.refused;
  inspection->decoded_ = &parts.decoded;
  inspection->wrong_.resize(count);
  for (size_t first = 0; first < shares; ++first) {
    const auto share = [pictures, count, shares, first, check = parts.checks[first].get(),
                        wrong = inspection->wrong_.data()] {
      for (size_t i = first; i < count; i += shares) {
        const JpegPicture& file = pictures[i];
        wrong[i] = check->run(file.data, file.bytes, file.width, file.height);
      }
    };
    inspection->shares_.push_back(std::async(std::launch::async | std::launch::deferred, share));
  }
  const bool hardware = parts.backend == NVJPEG_HARDWARE;
  // Where the CPU has a part in decoding, it is given sound files only.
  if (!hardware) inspection->finish();
  if (hardware && count > 1) {
    parts.decodeTogether(pictures, count, stream);
  } else {
    parts.decodeEach(pictures, count, stream);
  }
  if (hardware) inspection->pictures_ = count;
  else parts.decoded += count;
  return inspection;
}

void JpegDecoder::decode(const JpegPicture* pictures, size_t count, CudaStream stream) {
  enqueue(pictures, count, stream)->finish();
}

trtd_jpeg_info JpegDecoder::facts() const {
  trtd_jpeg_info info{};
  info.version = parts_->api->version;
  info.backend = parts_->backend;
  info.engines = static_cast<int32_t>(parts_->session->engines);
  info.flags = parts_->session->interpolates ? TRTD_JPEG_INTERPOLATE : 0;
  info.decoded = parts_->decoded;
  info.refused = parts_->refused;
  const std::string& path = parts_->api->path;
  const size_t room = sizeof info.path - 1;
  copyText(info.path, sizeof info.path, path.size() > room ? path.substr(path.size() - room) : path);
  return info;
}

}  // namespace trtd

using namespace trtd;

extern "C" {

int32_t trtd_jpeg_open(uint64_t device, const char* path, int32_t backend, int32_t flags, uint64_t* decoder,
                       trtd_error* error) {
  return guard(error, [&] {
    requireOut(decoder, "\"decoder\" must not be NULL");
    require(backend == TRTD_JPEG_AUTO || backend == TRTD_JPEG_HYBRID || backend == TRTD_JPEG_HARDWARE,
            "\"backend\" must be a trtd_jpeg_backend");
    require((flags & ~TRTD_JPEG_INTERPOLATE) == 0, "\"flags\" has an unknown bit");
    *decoder = publish(std::make_shared<JpegDecoder>(get<Device>(device), path, backend, flags));
  });
}

int32_t trtd_jpeg_facts(uint64_t decoder, trtd_jpeg_info* info, trtd_error* error) {
  return guard(error, [&] {
    require(info != nullptr, "\"info\" must not be NULL");
    const Locked<JpegDecoder> source(decoder);
    *info = source->facts();
  });
}

int32_t trtd_jpeg_check(const uint8_t* data, uint64_t bytes, int32_t width, int32_t height, trtd_error* error) {
  return guard(error, [&] {
    require(data != nullptr, "\"data\" must not be NULL");
    const auto check = std::make_unique<JpegCheck>();
    const std::string wrong = check->run(data, static_cast<size_t>(bytes), width, height);
    if (!wrong.empty()) refuse(0, wrong);
  });
}

int32_t trtd_jpeg_decode(uint64_t decoder, const uint8_t* data, uint64_t bytes, const trtd_jpeg_file* files,
                         uint32_t count, uint64_t stream, trtd_error* error) {
  return guard(error, [&] {
    const Locked<JpegDecoder> target(decoder);
    const Locked<Stream> queue(stream);
    require(data != nullptr && files != nullptr && count > 0, "\"data\" and \"files\" must not be NULL or empty");
    require(queue->device->index == target->device->index, "Decoder and stream must be of one device");
    std::vector<JpegPicture> pictures(count);
    std::vector<std::shared_ptr<Memory>> memories(count);
    for (uint32_t i = 0; i < count; ++i) {
      const trtd_jpeg_file& file = files[i];
      const std::string name = "File " + std::to_string(i);
      require(file.begin <= bytes && file.bytes > 0 && file.bytes <= bytes - file.begin,
              (name + " must lie in \"data\"").c_str());
      require(file.width >= 1 && file.width <= 65535 && file.height >= 1 && file.height <= 65535,
              (name + " must have 1 to 65535 pixels a side").c_str());
      memories[i] = get<Memory>(file.memory);
      require(memories[i]->device->index == target->device->index, "Decoder and memory must be of one device");
      const uint64_t size = static_cast<uint64_t>(file.width) * static_cast<uint64_t>(file.height) * 3;
      require(file.offset <= memories[i]->bytes && size <= memories[i]->bytes - file.offset,
              (name + " must have room for all its pixels").c_str());
      pictures[i] = {data + file.begin, static_cast<size_t>(file.bytes), memories[i]->address + file.offset, file.width,
                     file.height};
    }
    const Cuda& api = *target->device->cuda;
    try {
      target->decode(pictures.data(), count, queue->stream);
    } catch (const Failure&) {
      // The GPU may still read the files.
      api.streamSynchronize(queue->stream);
      throw;
    }
    api.check(api.streamSynchronize(queue->stream), "cuStreamSynchronize");
  });
}
}
