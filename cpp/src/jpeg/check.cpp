#include "check.h"

#include <algorithm>
#include <cstring>

namespace trtd {
namespace {

constexpr int CODE_BITS = 9;
constexpr int STEP_BITS = 13;
// Largest sizes of coefficients of 8-bit pixels (ITU-T T.81, F.1.2): DC differences and AC coefficients.
constexpr int DC_SIZE_MAX = 11;
constexpr int AC_SIZE_MAX = 10;
constexpr int DC_SYMBOLS_MAX = 12;
constexpr int AC_SYMBOLS_MAX = 162;

int u16(const uint8_t* at) { return at[0] << 8 | at[1]; }

}  // namespace

// Bits from the most significant end; behind the data it gives zeros and remembers how many.
struct JpegCheck::Reader {
  const uint8_t* at;
  const uint8_t* const end;
  uint64_t bits = 0;
  int count = 0;
  int invented = 0;

  Reader(const uint8_t* from, const uint8_t* to) : at(from), end(to) {}

  // At least 33 bits.
  void fill() {
    if (count > 32) return;
    if (end - at >= 4) {
      uint32_t word = 0;
      std::memcpy(&word, at, sizeof word);
      word = __builtin_bswap32(word);
      // No byte of the word is FF.
      if (((~word - 0x01010101u) & word & 0x80808080u) == 0) {
        bits |= static_cast<uint64_t>(word) << (32 - count);
        count += 32;
        at += 4;
        return;
      }
    }
    while (count <= 32) {
      uint64_t byte = 0;
      if (at < end && *at != 0xff) {
        byte = *at++;
      } else if (end - at >= 2 && at[1] == 0) {
        byte = 0xff;
        at += 2;
      } else {
        invented += 8;
      }
      bits |= byte << (56 - count);
      count += 8;
    }
  }
  void skip(int n) {
    bits <<= n;
    count -= n;
  }
  // Whether bits were used that the file does not have.
  bool beyond() const { return count < invented; }
  // Whether all bytes before the next marker were used.
  bool used() const { return count - invented < 8 && (at == end || *at == 0xff); }
  // Begins anew behind a marker of two bytes.
  void restart() {
    at += 2;
    bits = 0;
    count = invented = 0;
  }
};

JpegCheck::Code JpegCheck::find(const Table& table, uint32_t sixteen) {
  const Code code = table.codes[sixteen >> (16 - CODE_BITS)];
  if (code.length != 0) return code;
  for (int length = CODE_BITS + 1; length <= 16; ++length) {
    if (sixteen < table.end[length]) {
      const int32_t index = table.offset[length] + static_cast<int32_t>(sixteen >> (16 - length));
      return {static_cast<uint8_t>(length), table.definition[16 + index]};
    }
  }
  return {0, 0};
}

const char* JpegCheck::make(Table& table, const uint8_t* definition, int symbols, bool ac) {
  if (table.symbols == symbols && std::memcmp(table.definition, definition, 16 + static_cast<size_t>(symbols)) == 0) {
    return nullptr;
  }
  table.symbols = -1;
  std::memcpy(table.definition, definition, 16 + static_cast<size_t>(symbols));
  uint32_t code = 0;
  int32_t index = 0;
  for (int length = 1; length <= 16; ++length) {
    const int codes = definition[length - 1];
    table.offset[length] = index - static_cast<int32_t>(code);
    code += static_cast<uint32_t>(codes);
    index += codes;
    // The code of ones alone is kept free.
    if (code >= 1u << length && codes > 0) return "a Huffman table is impossible";
    table.end[length] = code << (16 - length);
    code <<= 1;
  }
  bool wrong = symbols > (ac ? AC_SYMBOLS_MAX : DC_SYMBOLS_MAX);
  for (int i = 0; i < symbols; ++i) {
    const int symbol = definition[16 + i];
    const int size = symbol & 15;
    wrong |= ac ? size > AC_SIZE_MAX || (size == 0 && symbol != 0 && symbol != 0xf0) : symbol > DC_SIZE_MAX;
  }
  if (wrong) return "a Huffman table has symbols that no 8-bit picture needs";
  for (uint32_t prefix = 0; prefix < 1u << CODE_BITS; ++prefix) {
    const uint32_t sixteen = prefix << (16 - CODE_BITS);
    Code found{0, 0};
    for (int length = 1; length <= CODE_BITS && found.length == 0; ++length) {
      if (sixteen < table.end[length]) {
        const int32_t at = table.offset[length] + static_cast<int32_t>(sixteen >> (16 - length));
        found = {static_cast<uint8_t>(length), definition[16 + at]};
      }
    }
    table.codes[prefix] = found;
  }
  for (uint32_t prefix = 0; ac && prefix < 1u << STEP_BITS; ++prefix) {
    Step step{0, 0, 0};
    for (int used = 0; used < STEP_BITS && step.last == 0;) {
      const Code next = find(table, prefix << (16 - STEP_BITS + used) & 0xffff);
      if (next.length == 0 || used + next.length > STEP_BITS) break;
      const int size = next.symbol & 15;
      used += next.length + size;
      step.bits = static_cast<uint8_t>(used);
      step.last = next.symbol == 0;
      step.coefficients = static_cast<uint8_t>(step.coefficients + (next.symbol == 0 ? 0 : (next.symbol >> 4) + 1));
    }
    table.steps[prefix] = step;
  }
  table.symbols = symbols;
  return nullptr;
}

const char* JpegCheck::define(const uint8_t* data, size_t bytes) {
  while (bytes >= 17) {
    const int kind = data[0] >> 4;
    const int slot = data[0] & 15;
    int symbols = 0;
    for (int i = 1; i <= 16; ++i) symbols += data[i];
    const size_t length = 17 + static_cast<size_t>(symbols);
    if (kind > 1 || slot > 3 || symbols > 256 || length > bytes) return "a Huffman table is broken";
    const char* const wrong = make(tables_[kind][slot], data + 1, symbols, kind == 1);
    if (wrong != nullptr) return wrong;
    defined_[kind][slot] = true;
    data += length;
    bytes -= length;
  }
  return bytes == 0 ? nullptr : "a Huffman table is broken";
}

const char* JpegCheck::quantize(const uint8_t* data, size_t bytes) {
  for (; bytes >= 65; data += 65, bytes -= 65) {
    if (data[0] > 3 || std::memchr(data + 1, 0, 64) != nullptr) break;
    quantization_[data[0]] = true;
  }
  return bytes == 0 ? nullptr : "a quantization table is broken or not of 8 bits";
}

bool JpegCheck::block(Reader& reader, const Component& component) {
  reader.fill();
  const Code dc = find(*component.dc, static_cast<uint32_t>(reader.bits >> 48));
  if (dc.length == 0) return false;
  reader.skip(dc.length + dc.symbol);
  for (int k = 1; k < 64;) {
    reader.fill();
    const Step step = component.ac->steps[reader.bits >> (64 - STEP_BITS)];
    if (step.bits != 0 && k + step.coefficients < 64) {
      reader.skip(step.bits);
      k += step.coefficients;
      if (step.last != 0) break;
      continue;
    }
    const Code ac = find(*component.ac, static_cast<uint32_t>(reader.bits >> 48));
    if (ac.length == 0) return false;
    reader.skip(ac.length + (ac.symbol & 15));
    if (ac.symbol == 0) break;
    k += (ac.symbol >> 4) + 1;
    if (k > 64) return false;
  }
  return !reader.beyond();
}

const char* JpegCheck::scan(const uint8_t* data, const uint8_t* end, const Component* components, int count, int width,
                            int height, int interval) const {
  int widest = 1;
  int highest = 1;
  for (int c = 0; c < count && count > 1; ++c) {
    widest = std::max(widest, components[c].horizontal);
    highest = std::max(highest, components[c].vertical);
  }
  const auto units = [](int pixels, int size) { return (pixels + size - 1) / size; };
  const int total = units(width, 8 * widest) * units(height, 8 * highest);
  Reader reader(data, end);
  int marker = 0;
  for (int unit = 0; unit < total; ++unit) {
    if (interval > 0 && unit > 0 && unit % interval == 0) {
      if (!reader.used()) return "there are data before a restart marker";
      const bool there = end - reader.at >= 2 && reader.at[0] == 0xff && reader.at[1] == 0xd0 + marker;
      if (!there) return "a restart marker is missing";
      marker = (marker + 1) % 8;
      reader.restart();
    }
    for (int c = 0; c < count; ++c) {
      const int blocks = count == 1 ? 1 : components[c].horizontal * components[c].vertical;
      for (int i = 0; i < blocks; ++i) {
        if (!block(reader, components[c])) return "its data are damaged or end early";
      }
    }
  }
  if (!reader.used()) return "there are data before the end marker";
  if (end - reader.at != 2 || reader.at[0] != 0xff || reader.at[1] != 0xd9) return "it does not end behind its data";
  return nullptr;
}

std::string JpegCheck::run(const uint8_t* data, size_t bytes, int width, int height) {
  std::memset(defined_, 0, sizeof defined_);
  std::memset(quantization_, 0, sizeof quantization_);
  if (bytes < 4 || data[0] != 0xff || data[1] != 0xd8) return "it does not begin as a JPEG";
  Component components[3] = {};
  int count = 0;
  int interval = 0;
  for (size_t at = 2;;) {
    if (bytes - at < 4 || data[at] != 0xff) return "a marker is missing";
    const int marker = data[at + 1];
    const auto length = static_cast<size_t>(u16(data + at + 2));
    if (length < 2 || length > bytes - at - 2) return "a segment is longer than the file";
    const uint8_t* const body = data + at + 4;
    const size_t size = length - 2;
    at += 2 + length;
    if (marker == 0xc4) {
      if (const char* const wrong = define(body, size)) return wrong;
    } else if (marker == 0xdb) {
      if (const char* const wrong = quantize(body, size)) return wrong;
    } else if (marker == 0xdd) {
      if (size != 2) return "the restart interval is broken";
      interval = u16(body);
    } else if (marker == 0xc0) {
      if (count != 0 || size < 6 || body[0] != 8) return "its frame is not one of 8 bits";
      if (u16(body + 1) != height || u16(body + 3) != width || width == 0 || height == 0) return "it has another size";
      const int number = body[5];
      if ((number != 1 && number != 3) || size != 6 + 3 * static_cast<size_t>(number)) {
        return "it has not 1 or 3 components";
      }
      for (int c = 0; c < number; ++c) {
        components[c] = {body[6 + 3 * c], body[7 + 3 * c] >> 4, body[7 + 3 * c] & 15, body[8 + 3 * c], nullptr,
                         nullptr};
        if (components[c].horizontal < 1 || components[c].horizontal > 4 || components[c].vertical < 1 ||
            components[c].vertical > 4) {
          return "its sampling is impossible";
        }
      }
      count = number;
    } else if (marker == 0xda) {
      if (count == 0 || size != 4 + 2 * static_cast<size_t>(count) || body[0] != count) {
        return "its scan is not of all components";
      }
      for (int c = 0; c < count; ++c) {
        const int dc = body[2 + 2 * c] >> 4;
        const int ac = body[2 + 2 * c] & 15;
        if (body[1 + 2 * c] != components[c].id || dc > 3 || ac > 3) return "its scan is broken";
        if (!defined_[0][dc] || !defined_[1][ac]) return "a Huffman table is missing";
        if (components[c].quantization > 3 || !quantization_[components[c].quantization]) {
          return "a quantization table is missing";
        }
        components[c].dc = &tables_[0][dc];
        components[c].ac = &tables_[1][ac];
      }
      const uint8_t* const spectral = body + 1 + 2 * count;
      if (spectral[0] != 0 || spectral[1] != 63 || spectral[2] != 0) return "its scan is not baseline";
      const char* const wrong = scan(data + at, data + bytes, components, count, width, height, interval);
      return wrong != nullptr ? wrong : "";
    } else if (marker != 0xfe && (marker < 0xe0 || marker > 0xef)) {
      return "it is not baseline, or a marker is in a wrong place";
    }
  }
}

}  // namespace trtd
