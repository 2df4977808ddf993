// Drives the JPEG part of libtrtd from C++ over the fakes, for runs under AddressSanitizer and UBSan:
//   drive-jpeg CUDA NVJPEG BACKEND FLAGS
// Prints "fine" or the first thing wrong.
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "trtd.h"

namespace {

void expect(bool condition, char const* what) {
  if (condition) return;
  printf("wrong: %s\n", what);
  exit(1);
}

void must(int32_t status, trtd_error const& error) {
  if (status == TRTD_OK) return;
  printf("wrong: %s\n", error.message);
  exit(1);
}

// A gray JPEG whose blocks are all zero and whose comment tells the fake what to show.
std::string jpeg(int width, int height, std::string const& comment) {
  std::string file("\xff\xd8", 2);
  auto const segment = [&](char marker, std::string const& data) {
    size_t const length = data.size() + 2;
    file += '\xff';
    file += marker;
    file += static_cast<char>(length >> 8);
    file += static_cast<char>(length & 255);
    file += data;
  };
  segment('\xfe', "fake " + comment);
  segment('\xdb', '\0' + std::string(64, '\1'));
  std::string frame("\x08\0\0\0\0\x01\x01\x11\0", 9);
  frame[1] = static_cast<char>(height >> 8);
  frame[2] = static_cast<char>(height & 255);
  frame[3] = static_cast<char>(width >> 8);
  frame[4] = static_cast<char>(width & 255);
  segment('\xc0', frame);
  // One code of one bit in each table: "no difference" and "block ended".
  std::string const one = '\1' + std::string(15, '\0') + '\0';
  segment('\xc4', '\0' + one + '\x10' + one);
  segment('\xda', std::string("\x01\x01\0\0\x3f\0", 6));
  int const bits = 2 * ((width + 7) / 8) * ((height + 7) / 8);
  file += std::string(static_cast<size_t>(bits / 8), '\0');
  if (bits % 8 > 0) file += static_cast<char>(0xff >> bits % 8);
  return file + "\xff\xd9";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  trtd_error error{};
  trtd_cuda_info cuda{};
  must(trtd_cuda_open(argv[1], &cuda, &error), error);
  uint64_t device = 0, stream = 0, decoder = 0;
  must(trtd_device_open(0, &device, &error), error);
  must(trtd_stream_create(device, &stream, &error), error);
  must(trtd_jpeg_open(device, argv[2], atoi(argv[3]), atoi(argv[4]), &decoder, &error), error);
  // Memory of exactly the pixels: one byte more is seen.
  int const sizes[][2] = {{1, 1}, {7, 5}, {64, 48}, {3, 200}};
  for (int round = 0; round < 3; ++round) {
    std::string block;
    std::vector<trtd_jpeg_file> files;
    for (auto const& size : sizes) {
      std::string const file = jpeg(size[0], size[1], std::to_string(round) + " 20 30");
      uint64_t memory = 0;
      auto const pixels = static_cast<uint64_t>(size[0]) * static_cast<uint64_t>(size[1]);
      must(trtd_memory_allocate(device, 3 * pixels, &memory, &error), error);
      files.push_back({block.size(), file.size(), memory, 0, size[0], size[1]});
      block += file;
    }
    auto const* const data = reinterpret_cast<uint8_t const*>(block.data());
    auto const count = static_cast<uint32_t>(files.size());
    must(trtd_jpeg_decode(decoder, data, block.size(), files.data(), count, stream, &error), error);
    for (trtd_jpeg_file const& file : files) {
      std::vector<uint8_t> pixels(static_cast<size_t>(file.width) * static_cast<size_t>(file.height) * 3);
      must(trtd_memory_read(file.memory, 0, pixels.data(), pixels.size(), &error), error);
      expect(pixels[0] == round && pixels[1] == 20 && pixels[2] == 29 + atoi(argv[4]), "the first pixel");
      expect(pixels[pixels.size() - 3] == static_cast<uint8_t>(round + file.width - 1), "the last pixel");
      must(trtd_close(file.memory, &error), error);
    }
  }
  for (char const* word : {"bad", "short", "unsupported"}) {
    std::string const good = jpeg(4, 4, "1 2 3");
    std::string const block = good + jpeg(4, 4, std::string("1 2 3 ") + word);
    uint64_t memory = 0;
    must(trtd_memory_allocate(device, 96, &memory, &error), error);
    trtd_jpeg_file const files[] = {{0, good.size(), memory, 0, 4, 4},
                                    {good.size(), block.size() - good.size(), memory, 48, 4, 4}};
    auto const* const data = reinterpret_cast<uint8_t const*>(block.data());
    expect(trtd_jpeg_decode(decoder, data, block.size(), files, 2, stream, &error) == TRTD_PICTURE_REFUSED, word);
    expect(error.code == 1, "the index of the refused picture");
    must(trtd_close(memory, &error), error);
  }
  // Every shorter beginning of a file, in memory that ends with it.
  std::string const whole = jpeg(19, 11, "1 2 3");
  for (size_t length = 0; length <= whole.size(); ++length) {
    std::vector<uint8_t> const part(whole.data(), whole.data() + length);
    uint8_t const none = 0;
    int32_t const status = trtd_jpeg_check(length > 0 ? part.data() : &none, length, 19, 11, &error);
    expect(status == (length == whole.size() ? TRTD_OK : TRTD_PICTURE_REFUSED), "the check of a part");
  }
  for (uint64_t handle : {decoder, stream, device}) must(trtd_close(handle, &error), error);
  expect(trtd_live_handles() == 0, "a handle is left");
  puts("fine");
}
