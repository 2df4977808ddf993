// A fake nvJPEG. It reads the size of a JPEG and fills the picture with the colour that a comment "fake R G B" names:
// pixel (x, y) is R + x, G + y, B. A further word in the comment makes the host's part fail: "bad", "unsupported",
// "short" (the stream ends early), "memory". TRTD_FAKE nvjpeg=N makes nvjpegCreateEx answer N, nvjpeg-device=N
// the device's part, nvjpeg-hardware=1 shows JPEG engines and nvjpeg-wider=1 reads each picture one pixel wider.
// A handle that does not interpolate shows B - 1; nvjpeg-interpolate=N makes nvjpegCreateEx answer N to one that wants to,
// nvjpeg-old=1 is version 12.0, which knows of no such flag.
#include "support.h"

#include <atomic>

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace {

enum Status { OK = 0, INVALID = 2, BAD = 3, UNSUPPORTED = 4, MEMORY = 5, NOT_IMPLEMENTED = 9, INCOMPLETE = 10 };
enum Backend { HYBRID = 1, HARDWARE = 3 };
constexpr int RGBI = 5;
constexpr unsigned STRICT = 4, INTERPOLATE = 32;

std::atomic<int> live{0};

struct Image {
  unsigned char* channel[4];
  size_t pitch[4];
};

struct Picture {
  unsigned width = 0;
  unsigned height = 0;
  int color[3] = {0, 0, 0};
  std::string word;
};

struct Counted {
  Counted() { ++live; }
  ~Counted() { --live; }
};
struct Handle : Counted {
  int backend = 0;
  bool interpolates = false;
};
struct Buffer : Counted {
  Picture held;
};
struct State : Counted {
  Buffer* pinned = nullptr;
  Buffer* device = nullptr;
  int batch = 0;
};
struct Stream : Counted {
  Picture picture;
};
struct Params : Counted {
  int format = 0;
};
struct Decoder : Counted {
  int backend = 0;
};

int wish(char const* name) { return atoi(fake::script(name).c_str()); }

template <class T, class... Rest>
int give(void** place, Rest...) {
  *place = new T;
  return OK;
}
template <class T>
int take(void* object) {
  delete static_cast<T*>(object);
  return OK;
}

int read(unsigned char const* data, size_t length, Picture& picture) {
  if (length < 4 || data[0] != 0xff || data[1] != 0xd8) return BAD;
  size_t at = 2;
  while (at + 4 <= length && data[at] == 0xff) {
    unsigned const marker = data[at + 1];
    size_t const size = static_cast<size_t>(data[at + 2]) << 8 | data[at + 3];
    if (at + 2 + size > length) return INCOMPLETE;
    if (marker == 0xfe) {
      std::string const text(reinterpret_cast<char const*>(data) + at + 4, size - 2);
      char word[32] = "";
      sscanf(text.c_str(), "fake %d %d %d %31s", &picture.color[0], &picture.color[1], &picture.color[2], word);
      picture.word = word;
    }
    if (marker == 0xc0 || marker == 0xc2) {
      picture.height = static_cast<unsigned>(data[at + 5]) << 8 | data[at + 6];
      picture.width = (static_cast<unsigned>(data[at + 7]) << 8 | data[at + 8]) + (wish("nvjpeg-wider") != 0 ? 1 : 0);
    }
    if (marker == 0xda) return picture.width > 0 ? OK : BAD;
    at += 2 + size;
  }
  return BAD;
}

int host(Picture const& picture) {
  if (picture.word == "bad") return BAD;
  if (picture.word == "short") return INCOMPLETE;
  if (picture.word == "memory") return MEMORY;
  return picture.word == "unsupported" ? UNSUPPORTED : OK;
}

int paint(void* handle, Picture const& picture, Image const& image) {
  int const less = static_cast<Handle*>(handle)->interpolates ? 0 : 1;
  if (wish("nvjpeg-device") != 0) return wish("nvjpeg-device");
  for (unsigned y = 0; y < picture.height; ++y) {
    unsigned char* const row = image.channel[0] + y * image.pitch[0];
    for (unsigned x = 0; x < picture.width; ++x) {
      row[3 * x] = static_cast<unsigned char>(picture.color[0] + static_cast<int>(x));
      row[3 * x + 1] = static_cast<unsigned char>(picture.color[1] + static_cast<int>(y));
      row[3 * x + 2] = static_cast<unsigned char>(picture.color[2] - less);
    }
  }
  return OK;
}

}  // namespace

// Objects that nobody destroyed.
EXPORT int fake_nvjpeg_live() { return live; }

EXPORT int nvjpegGetProperty(int part, int* value) {
  int const now[] = {13, 0, 4}, old[] = {12, 0, 7};
  return *value = wish("nvjpeg-old") != 0 ? old[part] : now[part], OK;
}
EXPORT int nvjpegCreateEx(int backend, void* device, void* pinned, unsigned flags, void** handle) {
  bool const interpolates = (flags & INTERPOLATE) != 0;
  if ((flags & ~INTERPOLATE) != STRICT || (interpolates && wish("nvjpeg-old") != 0)) return INVALID;
  if (interpolates && wish("nvjpeg-interpolate") != 0) return wish("nvjpeg-interpolate");
  if (wish("nvjpeg") != 0) return wish("nvjpeg");
  if (device != nullptr || pinned != nullptr) return INVALID;
  if (backend == HARDWARE && wish("nvjpeg-hardware") == 0) return 7;
  auto* const made = new Handle;
  made->backend = backend;
  made->interpolates = interpolates;
  *handle = made;
  return OK;
}
EXPORT int nvjpegDestroy(void* handle) { return take<Handle>(handle); }
EXPORT int nvjpegGetHardwareDecoderInfo(void*, unsigned* engines, unsigned* cores) {
  *engines = *cores = wish("nvjpeg-hardware") != 0 ? 7 : 0;
  return OK;
}
EXPORT int nvjpegJpegStateCreate(void*, void** state) { return give<State>(state); }
EXPORT int nvjpegJpegStateDestroy(void* state) { return take<State>(state); }
EXPORT int nvjpegDecoderStateCreate(void*, void* decoder, void** state) {
  return decoder != nullptr ? give<State>(state) : static_cast<int>(INVALID);
}
EXPORT int nvjpegBufferPinnedCreate(void*, void*, void** buffer) { return give<Buffer>(buffer); }
EXPORT int nvjpegBufferPinnedDestroy(void* buffer) { return take<Buffer>(buffer); }
EXPORT int nvjpegBufferDeviceCreate(void*, void*, void** buffer) { return give<Buffer>(buffer); }
EXPORT int nvjpegBufferDeviceDestroy(void* buffer) { return take<Buffer>(buffer); }
EXPORT int nvjpegStateAttachPinnedBuffer(void* state, void* buffer) {
  return static_cast<State*>(state)->pinned = static_cast<Buffer*>(buffer), OK;
}
EXPORT int nvjpegStateAttachDeviceBuffer(void* state, void* buffer) {
  return static_cast<State*>(state)->device = static_cast<Buffer*>(buffer), OK;
}
EXPORT int nvjpegJpegStreamCreate(void*, void** stream) { return give<Stream>(stream); }
EXPORT int nvjpegJpegStreamDestroy(void* stream) { return take<Stream>(stream); }
EXPORT int nvjpegJpegStreamParse(void*, unsigned char const* data, size_t length, int, int, void* stream) {
  static_cast<Stream*>(stream)->picture = Picture();
  return read(data, length, static_cast<Stream*>(stream)->picture);
}
EXPORT int nvjpegJpegStreamGetFrameDimensions(void* stream, unsigned* width, unsigned* height) {
  *width = static_cast<Stream*>(stream)->picture.width;
  *height = static_cast<Stream*>(stream)->picture.height;
  return OK;
}
EXPORT int nvjpegDecodeParamsCreate(void*, void** params) { return give<Params>(params); }
EXPORT int nvjpegDecodeParamsDestroy(void* params) { return take<Params>(params); }
EXPORT int nvjpegDecodeParamsSetOutputFormat(void* params, int format) {
  return static_cast<Params*>(params)->format = format, format == RGBI ? OK : INVALID;
}
EXPORT int nvjpegDecoderCreate(void* handle, int backend, void** decoder) {
  if (static_cast<Handle*>(handle)->backend != backend) return INVALID;
  return give<Decoder>(decoder);
}
EXPORT int nvjpegDecoderDestroy(void* decoder) { return take<Decoder>(decoder); }
EXPORT int nvjpegDecoderJpegSupported(void*, void* stream, void*, int* unsupported) {
  return *unsupported = static_cast<Stream*>(stream)->picture.word == "unsupported" ? 1 : 0, OK;
}
EXPORT int nvjpegDecodeJpegHost(void*, void*, void* state, void*, void* stream) {
  auto* const pinned = static_cast<State*>(state)->pinned;
  if (pinned == nullptr) return INVALID;
  pinned->held = static_cast<Stream*>(stream)->picture;
  return host(pinned->held);
}
EXPORT int nvjpegDecodeJpegTransferToDevice(void*, void*, void* state, void*, void* stream) {
  auto& parts = *static_cast<State*>(state);
  if (stream == nullptr || parts.device == nullptr) return INVALID;
  return parts.device->held = parts.pinned->held, OK;
}
EXPORT int nvjpegDecodeJpegDevice(void* handle, void*, void* state, Image* image, void* stream) {
  if (stream == nullptr) return INVALID;
  return paint(handle, static_cast<State*>(state)->device->held, *image);
}
EXPORT int nvjpegDecodeBatchedInitialize(void*, void* state, int count, int, int format) {
  static_cast<State*>(state)->batch = count;
  return format == RGBI ? OK : INVALID;
}
EXPORT int nvjpegDecodeBatched(void* handle, void* state, unsigned char const* const* data, size_t const* lengths,
                               Image* images, void* stream) {
  int& count = static_cast<State*>(state)->batch;
  if (count == 0 || stream == nullptr) return INVALID;
  for (int i = 0; i < count; ++i) {
    Picture picture;
    int status = read(data[i], lengths[i], picture);
    if (status == OK) status = host(picture);
    if (status == OK) status = paint(handle, picture, images[i]);
    if (status != OK) return count = 0, status;
  }
  return OK;
}
