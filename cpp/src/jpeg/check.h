// Reads a baseline JPEG as a decoder would, without making pixels: nvJPEG shows damaged data as if it were sound.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace trtd {

// Tables of the files seen last, so that a camera's are made once.
class JpegCheck {
 public:
  // Empty when the file is a whole baseline JPEG of this size with 8 bits, one scan, and 1 or 3 components: all tables
  // are there and hold only what 8-bit pixels need (the hardware shows noise for others), each Huffman code is one,
  // each block has at most 64 coefficients, restart markers are in their places, and the data end where the end marker
  // is, which ends the file. Else the first thing wrong, in words.
  std::string run(const uint8_t* data, size_t bytes, int width, int height);

 private:
  // A code by its first bits.
  struct Code {
    uint8_t length;  // 0: not among the short ones
    uint8_t symbol;
  };
  // Several symbols of AC coefficients at once.
  struct Step {
    uint8_t bits;  // 0: read one symbol instead
    uint8_t coefficients;
    uint8_t last;  // 1: the block ends here
  };
  struct Table {
    uint8_t definition[272] = {};  // 16 counts, then symbols
    int symbols = -1;              // -1: not defined
    uint32_t end[17] = {};         // of each length: first number of 16 bits that is beyond its codes
    int32_t offset[17] = {};
    Code codes[1 << 9];
    Step steps[1 << 13];
  };
  struct Component {
    int id, horizontal, vertical, quantization;
    const Table* dc;
    const Table* ac;
  };
  struct Reader;

  const char* define(const uint8_t* data, size_t bytes);
  const char* quantize(const uint8_t* data, size_t bytes);
  static const char* make(Table& table, const uint8_t* definition, int symbols, bool ac);
  static Code find(const Table& table, uint32_t sixteen);
  static bool block(Reader& reader, const Component& component);
  const char* scan(const uint8_t* data, const uint8_t* end, const Component* components, int count, int width,
                   int height, int interval) const;

  Table tables_[2][4];
  bool defined_[2][4] = {};
  bool quantization_[4] = {};
};

}  // namespace trtd
