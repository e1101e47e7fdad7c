/* SPDX-License-Identifier: Apache-2.0 */
#include "differ_test.h"

#include "differ/codec.h"

enum { SAMPLE_BYTES = 9 << 20 }; /* three frames of zstd */

/* Half of it compressible, the same each time. */
static void make_sample(struct wcow_buf *out)
{
    uint32_t x = 1;
    for (size_t i = 0; i < SAMPLE_BYTES / 64; i++) {
        uint8_t line[64];
        for (size_t j = 0; j < sizeof(line); j++) {
            x = x * 1664525 + 1013904223;
            line[j] = i % 2 ? (uint8_t)(x >> 24) : (uint8_t)("Windows layers "[j % 15]);
        }
        assert_ok(wcow_buf_add(out, line, sizeof(line), &err));
    }
}

static void compress(const struct wcow_buf *in, enum wcow_compression c, unsigned threads,
                     size_t step, struct wcow_buf *out)
{
    const struct wcow_sink sink = wcow_buf_sink(out);
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *z = NULL;
    assert_ok(wcow_compressor_new(&sink, c, threads, &z, &err));
    struct wcow_sink to = wcow_compressor_sink(z);
    for (size_t at = 0; at < in->len; at += step)
        assert_ok(
            wcow_sink_write(&to, in->data + at, in->len - at < step ? in->len - at : step, &err));
    assert_ok(wcow_compressor_finish(z, &err));
}

static int decompress(const struct wcow_buf *in, enum wcow_compression c, size_t step,
                      uint32_t max_ratio, struct wcow_buf *out, struct wcow_error *err)
{
    struct memory_source memory = {.data = in->data, .len = in->len, .step = step};
    struct wcow_source source = memory_source(&memory);
    WCOW_CLEANUP(wcow_decompressor_free_p) struct wcow_decompressor *d = NULL;
    int r = wcow_decompressor_new(&source, c, max_ratio, &d, err);
    if (r < 0)
        return r;
    struct wcow_source from = wcow_decompressor_source(d);
    for (;;) {
        const uint8_t *data = NULL;
        size_t len = 0;
        r = wcow_source_next(&from, &data, &len, err);
        if (r < 0 || len == 0)
            return r;
        if (out && (r = wcow_buf_add(out, data, len, err)) < 0)
            return r;
    }
}

static const enum wcow_compression both[] = {WCOW_COMPRESSION_GZIP, WCOW_COMPRESSION_ZSTD};

static void bytes_come_back(void **state)
{
    (void)state;
    static const size_t sizes[] = {0,      1,       511,     32768,       524288,
                                   524289, 4 << 20, 8388609, SAMPLE_BYTES};
    wcow_autobuf sample = {0};
    make_sample(&sample);
    for (size_t i = 0; i < 2 * sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct wcow_buf part = {.data = sample.data, .len = sizes[i / 2]};
        wcow_autobuf packed = {0};
        wcow_autobuf back = {0};
        compress(&part, both[i % 2], 2, 100000, &packed);
        assert_int_equal(wcow_compression_detect(packed.data, packed.len), both[i % 2]);
        assert_ok(decompress(&packed, both[i % 2], 777, 0, &back, &err));
        assert_int_equal(back.len, part.len);
        if (part.len)
            assert_memory_equal(back.data, part.data, part.len);
    }
}

static void bytes_repeat_whatever_the_threads(void **state)
{
    (void)state;
    wcow_autobuf sample = {0};
    make_sample(&sample);
    for (size_t i = 0; i < 2; i++) {
        wcow_autobuf first = {0};
        compress(&sample, both[i], 1, 65536, &first);
        for (unsigned threads = 2; threads <= 5; threads++) {
            wcow_autobuf other = {0};
            compress(&sample, both[i], threads, (size_t)1000 * threads, &other);
            assert_int_equal(other.len, first.len);
            assert_memory_equal(other.data, first.data, first.len);
        }
    }
}

/* As compress(), but put where the compressor wants it, whenever it is an odd turn. */
static void compress_in_place(const struct wcow_buf *in, enum wcow_compression c,
                              struct wcow_buf *out)
{
    const struct wcow_sink sink = wcow_buf_sink(out);
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *z = NULL;
    assert_ok(wcow_compressor_new(&sink, c, 2, &z, &err));
    struct wcow_sink to = wcow_compressor_sink(z);
    size_t turn = 0;
    for (size_t at = 0; at < in->len; turn++) {
        size_t room = 0;
        const uint8_t *from = in->data + at;
        uint8_t *place = turn % 2 ? wcow_sink_room(&to, &room) : NULL;
        size_t n = place && room < 100000 ? room : 100000;
        n = n < in->len - at ? n : in->len - at;
        if (place)
            from = memcpy(place, from, n);
        assert_ok(wcow_sink_write(&to, from, n, &err));
        at += n;
    }
    assert_ok(wcow_compressor_finish(z, &err));
}

static void what_is_put_in_place_comes_to_the_same(void **state)
{
    (void)state;
    wcow_autobuf sample = {0};
    make_sample(&sample);
    for (size_t i = 0; i < 2; i++) {
        wcow_autobuf copied = {0};
        wcow_autobuf placed = {0};
        compress(&sample, both[i], 2, 65536, &copied);
        compress_in_place(&sample, both[i], &placed);
        assert_int_equal(placed.len, copied.len);
        assert_memory_equal(placed.data, copied.data, copied.len);
    }
    wcow_autobuf plain = {0};
    compress_in_place(&sample, WCOW_COMPRESSION_NONE, &plain); /* a sink without room */
    assert_int_equal(plain.len, sample.len);
    assert_memory_equal(plain.data, sample.data, sample.len);
}

static void the_gzip_header_has_no_time_and_no_name(void **state)
{
    (void)state;
    static const uint8_t want[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    struct wcow_buf empty = {0};
    wcow_autobuf packed = {0};
    compress(&empty, WCOW_COMPRESSION_GZIP, 1, 1, &packed);
    assert_memory_equal(packed.data, want, sizeof(want));
}

static void several_members_are_one_stream(void **state)
{
    (void)state;
    wcow_autobuf sample = {0};
    make_sample(&sample);
    struct wcow_buf head = {.data = sample.data, .len = 100000};
    struct wcow_buf tail = {.data = sample.data + 100000, .len = sample.len - 100000};
    for (size_t i = 0; i < 2; i++) {
        wcow_autobuf packed = {0};
        wcow_autobuf back = {0};
        compress(&head, both[i], 1, 65536, &packed);
        compress(&tail, both[i], 1, 65536, &packed);
        assert_ok(decompress(&packed, both[i], 4096, 0, &back, &err));
        assert_int_equal(back.len, sample.len);
        assert_memory_equal(back.data, sample.data, sample.len);
    }
}

static void damage_is_corrupt(void **state)
{
    (void)state;
    wcow_autobuf sample = {0};
    make_sample(&sample);
    sample.len = 200000;
    for (size_t i = 0; i < 2; i++) {
        wcow_autobuf packed = {0};
        compress(&sample, both[i], 1, 65536, &packed);
        size_t whole = packed.len;
        for (size_t cut = 0; cut < whole; cut += 997) {
            packed.len = cut;
            assert_fails(decompress(&packed, both[i], 4096, 0, NULL, &err), WCOW_E_CORRUPT);
        }
        packed.len = whole;
        packed.data[whole / 2] ^= 0x40;
        assert_fails(decompress(&packed, both[i], 4096, 0, NULL, &err), WCOW_E_CORRUPT);
        packed.data[whole / 2] ^= 0x40;
        assert_ok(wcow_buf_add(&packed, "garbage behind it", 17, &err));
        assert_fails(decompress(&packed, both[i], 4096, 0, NULL, &err), WCOW_E_CORRUPT);
    }
}

static void a_bomb_is_refused(void **state)
{
    (void)state;
    static const uint8_t chunk[1 << 20];
    wcow_autobuf packed = {0};
    const struct wcow_sink sink = wcow_buf_sink(&packed);
    WCOW_CLEANUP(wcow_compressor_free_p) struct wcow_compressor *z = NULL;
    assert_ok(wcow_compressor_new(&sink, WCOW_COMPRESSION_ZSTD, 1, &z, &err));
    struct wcow_sink to = wcow_compressor_sink(z);
    for (int i = 0; i < 100; i++)
        assert_ok(wcow_sink_write(&to, chunk, sizeof(chunk), &err));
    assert_ok(wcow_compressor_finish(z, &err));
    assert_fails(decompress(&packed, WCOW_COMPRESSION_ZSTD, 4096, 1000, NULL, &err), WCOW_E_LIMIT);
    assert_ok(decompress(&packed, WCOW_COMPRESSION_ZSTD, 4096, 0, NULL, &err));
}

static void media_types_say_the_compression(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int want;
        enum wcow_compression compression;
        bool detect;
    } cases[] = {
        {"application/vnd.oci.image.layer.v1.tar", WCOW_OK, WCOW_COMPRESSION_NONE, false},
        {"application/vnd.oci.image.layer.v1.tar+gzip", WCOW_OK, WCOW_COMPRESSION_GZIP, false},
        {"application/vnd.oci.image.layer.v1.tar+zstd", WCOW_OK, WCOW_COMPRESSION_ZSTD, false},
        {"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", WCOW_OK,
         WCOW_COMPRESSION_GZIP, false},
        {"application/vnd.docker.image.rootfs.diff.tar", WCOW_OK, WCOW_COMPRESSION_NONE, true},
        {"application/vnd.docker.image.rootfs.diff.tar.gzip", WCOW_OK, WCOW_COMPRESSION_GZIP,
         false},
        {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", WCOW_OK,
         WCOW_COMPRESSION_GZIP, false},
        {"application/vnd.oci.image.layer.v1.tar+encrypted", WCOW_E_UNSUPPORTED, 0, false},
        {"", WCOW_E_UNSUPPORTED, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum wcow_compression c = WCOW_COMPRESSION_NONE;
        bool detect = false;
        assert_int_equal(wcow_compression_of_media_type(cases[i].type, &c, &detect, NULL),
                         cases[i].want);
        if (cases[i].want == WCOW_OK) {
            assert_int_equal(c, cases[i].compression);
            assert_int_equal(detect, cases[i].detect);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(bytes_repeat_whatever_the_threads),
        cmocka_unit_test(what_is_put_in_place_comes_to_the_same),
        cmocka_unit_test(the_gzip_header_has_no_time_and_no_name),
        cmocka_unit_test(several_members_are_one_stream),
        cmocka_unit_test(damage_is_corrupt),
        cmocka_unit_test(a_bomb_is_refused),
        cmocka_unit_test(media_types_say_the_compression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
