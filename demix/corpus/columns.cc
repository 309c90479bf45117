#include "demix/corpus/columns.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <arrow/ipc/api.h>
#include <arrow/util/float16.h>
#include <parquet/arrow/reader.h>
#include <parquet/arrow/schema.h>
#include <parquet/properties.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "demix/core/error.h"
#include "demix/corpus/lines.h"

namespace demix {
namespace {

constexpr int64_t kBatchRows = 256;  // documents may be long: few of them at once

template <typename T>
T value_or_throw(arrow::Result<T> result, const std::string& path) {
  if (!result.ok()) throw Error("{}: cannot be read: {}", path, result.status().message());
  return std::move(result).ValueUnsafe();
}

void check(const arrow::Status& status, const std::string& path) {
  if (!status.ok()) throw Error("{}: cannot be read: {}", path, status.message());
}

// Record batches of a Parquet or Arrow file. Parquet reads only the top-level columns wanted.
class Batches {
 public:
  explicit Batches(const std::filesystem::path& path) : path_(path.string()) {
    // For the message: Arrow's own speaks of its internals.
    if (!std::filesystem::exists(path)) throw Error("{}: no such file", path_);
    guarded([&] {
      if (format_suffix(path) == ".parquet") {
        open_parquet();
      } else {
        open_arrow();
      }
    });
  }

  const std::shared_ptr<arrow::Schema>& schema() const { return schema_; }
  int64_t rows() const { return rows_; }
  const std::string& path() const { return path_; }

  // To be called once, before `next`. An Arrow file is mapped, so its other columns cost nothing.
  void select(int field) {
    guarded([&] {
      if (!parquet_) return;
      std::vector<int> leaves;
      add_leaves(parquet_->manifest().schema_fields[static_cast<size_t>(field)], leaves);
      std::vector<int> groups(static_cast<size_t>(parquet_->num_row_groups()));
      for (size_t i = 0; i < groups.size(); ++i) groups[i] = static_cast<int>(i);
      reader_ = value_or_throw(parquet_->GetRecordBatchReader(groups, leaves), path_);
    });
  }

  // Null at the end.
  std::shared_ptr<arrow::RecordBatch> next() {
    std::shared_ptr<arrow::RecordBatch> batch;
    guarded([&] {
      if (file_) {
        if (next_batch_ < file_->num_record_batches()) {
          batch = value_or_throw(file_->ReadRecordBatch(next_batch_++), path_);
        }
        return;
      }
      if (parquet_ && !reader_) {
        reader_ = value_or_throw(parquet_->GetRecordBatchReader(), path_);
      }
      check(reader_->ReadNext(&batch), path_);
    });
    return batch;
  }

 private:
  // Parquet's lower layers throw.
  template <typename Function>
  void guarded(Function function) {
    try {
      function();
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw Error("{}: cannot be read: {}", path_, error.what());
    }
  }

  void open_parquet() {
    parquet::ReaderProperties properties;
    properties.enable_buffered_stream();  // pages, not whole column chunks, in memory
    parquet::ArrowReaderProperties arrow_properties;
    arrow_properties.set_batch_size(kBatchRows);
    arrow_properties.set_pre_buffer(false);
    parquet::arrow::FileReaderBuilder builder;
    check(builder.OpenFile(path_, /*memory_map=*/false, properties), path_);
    check(builder.properties(arrow_properties)->Build(&parquet_), path_);
    check(parquet_->GetSchema(&schema_), path_);
    rows_ = parquet_->parquet_reader()->metadata()->num_rows();
  }

  void open_arrow() {
    auto file =
        value_or_throw(arrow::io::MemoryMappedFile::Open(path_, arrow::io::FileMode::READ), path_);
    const auto magic = value_or_throw(file->ReadAt(0, 6), path_);
    if (magic->size() == 6 && std::memcmp(magic->data(), "ARROW1", 6) == 0) {
      file_ = value_or_throw(arrow::ipc::RecordBatchFileReader::Open(file), path_);
      schema_ = file_->schema();
      rows_ = value_or_throw(file_->CountRows(), path_);
    } else {
      reader_ = value_or_throw(arrow::ipc::RecordBatchStreamReader::Open(file), path_);
      schema_ = reader_->schema();
    }
  }

  static void add_leaves(const parquet::arrow::SchemaField& field, std::vector<int>& leaves) {
    if (field.is_leaf()) leaves.push_back(field.column_index);
    for (const auto& child : field.children) add_leaves(child, leaves);
  }

  std::string path_;
  std::shared_ptr<arrow::Schema> schema_;
  int64_t rows_ = 0;
  std::unique_ptr<parquet::arrow::FileReader> parquet_;
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> file_;
  int next_batch_ = 0;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
};

// Strings as the bytes they are: whether they are UTF-8 is decided by the caller, not by Arrow.
std::shared_ptr<arrow::DataType> as_binary(const arrow::DataType& type) {
  switch (type.id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return arrow::binary();
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return arrow::large_binary();
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return arrow::binary_view();
    default:
      return nullptr;
  }
}

std::string_view bytes_at(const arrow::Array& array, int64_t i) {
  switch (array.type_id()) {
    case arrow::Type::STRING:
    case arrow::Type::BINARY:
      return static_cast<const arrow::BinaryArray&>(array).GetView(i);
    case arrow::Type::LARGE_STRING:
    case arrow::Type::LARGE_BINARY:
      return static_cast<const arrow::LargeBinaryArray&>(array).GetView(i);
    case arrow::Type::STRING_VIEW:
    case arrow::Type::BINARY_VIEW:
      return static_cast<const arrow::BinaryViewArray&>(array).GetView(i);
    default:
      return static_cast<const arrow::FixedSizeBinaryArray&>(array).GetView(i);
  }
}

std::shared_ptr<arrow::Array> validated_bytes(const arrow::Array& array, const std::string& path) {
  auto data = array.data()->Copy();
  data->type = as_binary(*array.type());
  auto bytes = arrow::MakeArray(std::move(data));
  check(bytes->ValidateFull(), path);
  return bytes;
}

Json json_of(const arrow::Array& array, int64_t i);

template <typename ListArray>
Json json_list(const arrow::Array& array, int64_t i) {
  const auto& list = static_cast<const ListArray&>(array);
  Json json = Json::array();
  const int64_t begin = list.value_offset(i);
  for (int64_t k = begin; k < begin + list.value_length(i); ++k) {
    json.push_back(json_of(*list.values(), k));
  }
  return json;
}

template <typename ValueArray>
Json json_number(const arrow::Array& array, int64_t i) {
  return static_cast<const ValueArray&>(array).Value(i);
}

Json json_real(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json json_of(const arrow::Array& array, int64_t i) {
  using arrow::Type;
  if (array.IsNull(i)) return nullptr;
  switch (array.type_id()) {
    case Type::NA:
      return nullptr;
    case Type::BOOL:
      return json_number<arrow::BooleanArray>(array, i);
    case Type::INT8:
      return json_number<arrow::Int8Array>(array, i);
    case Type::INT16:
      return json_number<arrow::Int16Array>(array, i);
    case Type::INT32:
      return json_number<arrow::Int32Array>(array, i);
    case Type::INT64:
      return json_number<arrow::Int64Array>(array, i);
    case Type::UINT8:
      return json_number<arrow::UInt8Array>(array, i);
    case Type::UINT16:
      return json_number<arrow::UInt16Array>(array, i);
    case Type::UINT32:
      return json_number<arrow::UInt32Array>(array, i);
    case Type::UINT64:
      return json_number<arrow::UInt64Array>(array, i);
    case Type::HALF_FLOAT: {
      const uint16_t bits = static_cast<const arrow::HalfFloatArray&>(array).Value(i);
      return json_real(arrow::util::Float16::FromBits(bits).ToFloat());
    }
    case Type::FLOAT:
      return json_real(static_cast<const arrow::FloatArray&>(array).Value(i));
    case Type::DOUBLE:
      return json_real(static_cast<const arrow::DoubleArray&>(array).Value(i));
    case Type::STRING:
    case Type::LARGE_STRING:
    case Type::STRING_VIEW:
    case Type::BINARY:
    case Type::LARGE_BINARY:
    case Type::BINARY_VIEW:
    case Type::FIXED_SIZE_BINARY:
      return std::string(bytes_at(array, i));
    case Type::LIST:
    case Type::MAP:  // a list of {key, value}
      return json_list<arrow::ListArray>(array, i);
    case Type::LARGE_LIST:
      return json_list<arrow::LargeListArray>(array, i);
    case Type::FIXED_SIZE_LIST:
      return json_list<arrow::FixedSizeListArray>(array, i);
    case Type::STRUCT: {
      const auto& fields = static_cast<const arrow::StructArray&>(array);
      Json json = Json::object();
      for (int f = 0; f < fields.num_fields(); ++f) {
        json[fields.struct_type()->field(f)->name()] = json_of(*fields.field(f), i);
      }
      return json;
    }
    case Type::DICTIONARY: {
      const auto& dictionary = static_cast<const arrow::DictionaryArray&>(array);
      return json_of(*dictionary.dictionary(), dictionary.GetValueIndex(i));
    }
    case Type::EXTENSION:
      return json_of(*static_cast<const arrow::ExtensionArray&>(array).storage(), i);
    default: {
      const auto scalar = array.GetScalar(i);
      if (!scalar.ok()) throw Error("a value of type {} cannot be read", array.type()->ToString());
      return (*scalar)->ToString();
    }
  }
}

}  // namespace

bool is_column_file(const std::filesystem::path& path) {
  const std::string suffix = path.extension().string();
  return suffix == ".parquet" || suffix == ".arrow";
}

struct TextColumn::State {
  Batches batches;
  int field = 0;
  std::shared_ptr<arrow::Array> texts;                 // of this batch, as bytes
  std::shared_ptr<arrow::DictionaryArray> dictionary;  // then `texts` are its values
  int64_t index = -1, size = 0;                        // in this batch
  int64_t row = 0;
};

TextColumn::TextColumn(const std::filesystem::path& path, const std::string& column)
    : state_(std::make_unique<State>(State{Batches(path)})) {
  const auto& schema = *state_->batches.schema();
  state_->field = schema.GetFieldIndex(column);
  if (state_->field < 0) {
    throw Error(
        "{}: no column '{}'; the columns are: {}; set text_field to the one that holds the text",
        path.string(),
        column,
        fmt::join(schema.field_names(), ", "));
  }
  const arrow::DataType* type = schema.field(state_->field)->type().get();
  if (type->id() == arrow::Type::DICTIONARY) {
    type = static_cast<const arrow::DictionaryType&>(*type).value_type().get();
  }
  if (!as_binary(*type)) {
    throw Error("{}: column '{}' is of type {}, expected strings",
                path.string(),
                column,
                schema.field(state_->field)->type()->ToString());
  }
  state_->batches.select(state_->field);
}

TextColumn::~TextColumn() = default;

bool TextColumn::next() {
  State& state = *state_;
  ++state.index;
  while (state.index >= state.size) {
    const auto batch = state.batches.next();
    if (!batch) return false;
    // Parquet's batches have the selected column only.
    const auto column = batch->num_columns() == 1 ? batch->column(0) : batch->column(state.field);
    const std::string& path = state.batches.path();
    state.dictionary = nullptr;
    if (column->type_id() == arrow::Type::DICTIONARY) {
      state.dictionary = std::static_pointer_cast<arrow::DictionaryArray>(column);
      check(state.dictionary->indices()->ValidateFull(), path);
      state.texts = validated_bytes(*state.dictionary->dictionary(), path);
    } else {
      state.texts = validated_bytes(*column, path);
    }
    state.index = 0;
    state.size = column->length();
  }
  ++state.row;
  return true;
}

std::string_view TextColumn::text() const {
  const State& state = *state_;
  int64_t index = state.index;
  if (state.dictionary) {
    if (state.dictionary->IsNull(index)) return {};
    index = state.dictionary->GetValueIndex(index);
    if (index < 0 || index >= state.texts->length()) {
      throw Error("{}: row {}: damaged dictionary", state.batches.path(), state.row);
    }
  }
  return state.texts->IsNull(index) ? std::string_view() : bytes_at(*state.texts, index);
}

int64_t TextColumn::row() const { return state_->row; }
int64_t TextColumn::rows() const { return state_->batches.rows(); }

std::vector<Json> read_column_rows(const std::filesystem::path& path, int64_t limit) {
  Batches batches(path);
  std::vector<Json> rows;
  while (const auto batch = batches.next()) {
    check(batch->ValidateFull(), path.string());
    for (int64_t i = 0; i < batch->num_rows(); ++i) {
      if (limit > 0 && static_cast<int64_t>(rows.size()) == limit) return rows;
      Json row = Json::object();
      for (int c = 0; c < batch->num_columns(); ++c) {
        row[batch->column_name(c)] = json_of(*batch->column(c), i);
      }
      rows.push_back(std::move(row));
    }
  }
  return rows;
}

}  // namespace demix
