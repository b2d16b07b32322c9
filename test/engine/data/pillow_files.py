"""Image files of many kinds and what Pillow's convert('RGB') makes of them: pillow_files.py FOLDER jpeg|tiff|plain.
Writes N.bin and N.rgb; prints [{"kind", "width", "height"}, ...], width 0 where Pillow refuses the file."""
import io, json, os, struct, sys, warnings
import numpy as np
from PIL import Image
try: import cv2
except ImportError: cv2 = None

warnings.simplefilter('ignore')
folder, family = sys.argv[1:3]
rng = np.random.default_rng(3)
entries = []


def put(kind, data):
    n = len(entries)
    try:
        image = Image.open(io.BytesIO(data)).convert('RGB')
    except Exception:
        image = None
    with open(os.path.join(folder, f'{n}.bin'), 'wb') as file: file.write(data)
    with open(os.path.join(folder, f'{n}.rgb'), 'wb') as file: file.write(image.tobytes() if image else b'')
    entries.append({'kind': kind, 'width': image.width if image else 0, 'height': image.height if image else 0})


def picture(width, height, channels=3):
    """From flat to noisy, with hard edges."""
    edge = rng.integers(1, 25)
    y, x = np.mgrid[0:height, 0:width]
    smooth = np.stack([127 + 120 * np.sin((x + k * 7) / 19) * np.cos(y / 13) for k in range(channels)], -1)
    hard = (((x // edge) + (y // edge)) % 2 * 255)[..., None] * np.ones(channels)
    noisy = rng.random((height, width, channels)) < rng.random() ** 2
    calm = np.where(rng.random((height, width, channels)) < .5, smooth, hard)
    return np.where(noisy, rng.integers(0, 256, (height, width, channels)), calm).clip(0, 255).astype(np.uint8)


def saved(image, form, **options):
    buffer = io.BytesIO(); image.save(buffer, form, **options); return buffer.getvalue()


def with_adobe_transform(data, transform):
    """The same CMYK file with another word in its Adobe marker, or (None) without the marker."""
    at = data.find(b'\xff\xee'); end = at + 2 + struct.unpack('>H', data[at + 2:at + 4])[0]
    return data[:at] + data[end:] if transform is None else data[:end - 1] + bytes([transform]) + data[end:]


def opencv_jpegs():
    names = ('444', '422', '420', '440', '411')
    def encode(pixels, name, quality, progressive, restart):
        factor = getattr(cv2, f'IMWRITE_JPEG_SAMPLING_FACTOR_{name}')
        flags = (cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor,
                 cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive), cv2.IMWRITE_JPEG_RST_INTERVAL, restart)
        return cv2.imencode('.jpg', pixels, flags)[1].tobytes()
    for width in range(1, 18):
        for height in range(1, 18):
            name = names[(width * 17 + height) % 5]
            put(f'{name} {width}x{height}', encode(picture(width, height), name, int(rng.integers(1, 101)), width % 2, height % 3))
    for quality in range(1, 101):
        name = names[quality % 5]
        put(f'{name} quality {quality}', encode(picture(40 + quality, 61), name, quality, quality % 3 == 0, quality % 4 * 2))


def jpegs():
    if cv2: opencv_jpegs()
    for i in range(90):
        width, height, quality = 1 + i, int(rng.integers(1, 90)), int(rng.integers(1, 101))
        common = dict(quality=quality, progressive=i % 2 == 0)
        put('grey', saved(Image.fromarray(picture(width, height, 1)[..., 0]), 'JPEG', restart_marker_rows=i % 3, **common))
        put('colour', saved(Image.fromarray(picture(width, height)), 'JPEG', subsampling=i % 3, restart_marker_blocks=i % 4, **common))
        put('kept RGB', saved(Image.fromarray(picture(width, height)), 'JPEG', keep_rgb=True, **common))
        cmyk = saved(Image.fromarray(picture(width, height, 4), 'CMYK'), 'JPEG', subsampling=i % 3, **common)
        put('CMYK', cmyk); put('CMYK without marker', with_adobe_transform(cmyk, None)); put('YCCK', with_adobe_transform(cmyk, 2))
        turned = Image.fromarray(picture(width, height)); exif = turned.getexif(); exif[0x112] = 1 + i % 8
        put('EXIF orientation', saved(turned, 'JPEG', exif=exif, **common))


def tiff(order, pixels, photometric, bits, sample_format=1, extra=(), planar=1, **tags):
    """An uncompressed TIFF of one strip; `pixels` are its bytes."""
    width, height = tags.pop('size')
    fields = [(256, 4, [width]), (257, 4, [height]), (258, 3, bits), (259, 3, [1]), (262, 3, [photometric]),
              (277, 3, [len(bits)]), (278, 4, [height]), (284, 3, [planar]), (339, 3, [sample_format] * len(bits))]
    if extra: fields.append((338, 3, list(extra)))
    for name, value in tags.items():
        number = {'orientation': 274, 'fill': 266, 'colours': 320, 'subsampling': 530}[name]
        fields.append((number, 3, value if isinstance(value, list) else [value]))
    fields += [(273, 4, [8]), (279, 4, [len(pixels)])]
    if planar == 2:
        plane = len(pixels) // len(bits)
        fields[-2:] = [(273, 4, [8 + plane * i for i in range(len(bits))]), (279, 4, [plane] * len(bits))]
    mark = '<' if order == 'II' else '>'
    directory, outside = b'', b''
    at = 8 + len(pixels) + len(pixels) % 2
    for tag, kind, values in sorted(fields):
        data = struct.pack(mark + ('H' if kind == 3 else 'I') * len(values), *values)
        if len(data) > 4:
            place = struct.pack(mark + 'I', at + 2 + 12 * len(fields) + 4 + len(outside)); outside += data + b'\0' * (len(data) % 2)
        else: place = data.ljust(4, b'\0')
        directory += struct.pack(mark + 'HHI', tag, kind, len(values)) + place
    head = order.encode() + struct.pack(mark + 'HI', 42, at)
    return head + pixels + b'\0' * (len(pixels) % 2) + struct.pack(mark + 'H', len(fields)) + directory + b'\0\0\0\0' + outside


def tiffs():
    size = (23, 14); count = size[0] * size[1]
    for order, mark in (('II', '<'), ('MM', '>')):
        eight = lambda channels: picture(*size, channels).tobytes()
        wide = lambda kind, low, high, channels=1: rng.integers(low, high, count * channels).astype(mark + kind).tobytes()
        real = np.concatenate([rng.random(count - 4) * 400 - 60, [np.nan, np.inf, -np.inf, 254.7]]).astype(mark + 'f4').tobytes()
        for photometric in (0, 1):
            for bits in (1, 2, 4): put(f'{order} grey {bits} bit, photometric {photometric}', tiff(order, rng.integers(0, 256, (size[0] * bits + 7) // 8 * size[1]).astype(np.uint8).tobytes(), photometric, [bits], size=size))
            put(f'{order} grey, photometric {photometric}', tiff(order, eight(1), photometric, [8], size=size))
            put(f'{order} grey 16, photometric {photometric}', tiff(order, wide('u2', 0, 600), photometric, [16], size=size))
            put(f'{order} float, photometric {photometric}', tiff(order, real, photometric, [32], 3, size=size))
            put(f'{order} grey 32, photometric {photometric}', tiff(order, wide('u4', 0, 600), photometric, [32], size=size))
        put(f'{order} grey 16 large', tiff(order, wide('u2', 0, 65536), 1, [16], size=size))
        put(f'{order} signed grey 8', tiff(order, eight(1), 1, [8], 2, size=size))
        put(f'{order} signed grey 16', tiff(order, wide('i2', -400, 600), 1, [16], 2, size=size))
        put(f'{order} signed grey 32', tiff(order, wide('i4', -400, 600), 1, [32], 2, size=size))
        put(f'{order} signed grey 32 large', tiff(order, wide('i4', -2**31, 2**31 - 1), 1, [32], 2, size=size))
        put(f'{order} double', tiff(order, rng.random(count).astype(mark + 'f8').tobytes(), 1, [64], 3, size=size))
        for extra in (0, 1, 2):
            put(f'{order} grey and extra {extra}', tiff(order, eight(2), 1, [8, 8], extra=(extra,), size=size))
            put(f'{order} RGB and extra {extra}', tiff(order, eight(4), 2, [8] * 4, extra=(extra,), size=size))
            put(f'{order} RGB 16 and extra {extra}', tiff(order, wide('u2', 0, 65536, 4), 2, [16] * 4, extra=(extra,), size=size))
            put(f'{order} RGB and two extras {extra}', tiff(order, eight(5), 2, [8] * 5, extra=(extra, 0), size=size))
            put(f'{order} palette and extra {extra}', tiff(order, eight(2), 3, [8, 8], extra=(extra,), size=size, colours=[int(v) for v in rng.integers(0, 65536, 768)]))
        put(f'{order} RGBA without extra', tiff(order, eight(4), 2, [8] * 4, size=size))
        put(f'{order} RGB 16', tiff(order, wide('u2', 0, 65536, 3), 2, [16] * 3, size=size))
        put(f'{order} RGB float', tiff(order, rng.random(count * 3).astype(mark + 'f4').tobytes(), 2, [32] * 3, 3, size=size))
        put(f'{order} RGB planes', tiff(order, eight(3), 2, [8] * 3, planar=2, size=size))
        put(f'{order} reversed bits', tiff(order, eight(1), 1, [8], size=size, fill=2))
        for orientation in range(1, 9): put(f'{order} orientation {orientation}', tiff(order, eight(3), 2, [8] * 3, size=size, orientation=orientation))
        put(f'{order} grey 16 orientation 6', tiff(order, wide('u2', 0, 600), 1, [16], size=size, orientation=6))
        put(f'{order} CMYK', tiff(order, eight(4), 5, [8] * 4, size=size))
        put(f'{order} CMYK and extra', tiff(order, eight(5), 5, [8] * 5, extra=(0,), size=size))
        put(f'{order} CMYK 16', tiff(order, wide('u2', 0, 65536, 4), 5, [16] * 4, size=size))
        put(f'{order} CMYK orientation 3', tiff(order, eight(4), 5, [8] * 4, size=size, orientation=3))
        put(f'{order} YCbCr', tiff(order, eight(3), 6, [8] * 3, size=size, subsampling=[1, 1]))
        put(f'{order} LAB', tiff(order, eight(3), 8, [8] * 3, size=size))
        put(f'{order} ICCLab', tiff(order, eight(3), 9, [8] * 3, size=size))
        for bits in (1, 2, 4, 8):
            row = (size[0] * bits + 7) // 8
            put(f'{order} palette {bits} bit', tiff(order, rng.integers(0, 256, row * size[1]).astype(np.uint8).tobytes(), 3, [bits], size=size, colours=[int(v) for v in rng.integers(0, 65536, 3 << bits)]))
    for compression in ('tiff_lzw', 'tiff_adobe_deflate', 'packbits', 'jpeg', 'group4', 'tiff_deflate', 'zstd'):
        for mode in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA', 'CMYK', 'YCbCr', 'I;16', 'I', 'F', 'LAB'):
            if (compression == 'group4') != (mode == '1') and compression in ('group4', 'jpeg'): continue
            try:
                if mode == 'I;16': image = Image.fromarray(rng.integers(0, 500, (31, 17)).astype(np.uint16))
                elif mode in ('I', 'F'): image = Image.fromarray(picture(17, 31, 1)[..., 0]).convert(mode)
                elif mode == 'LAB': image = Image.frombytes('LAB', (17, 31), picture(17, 31).tobytes())
                elif mode == 'CMYK': image = Image.fromarray(picture(17, 31, 4), 'CMYK')
                else: image = Image.fromarray(picture(17, 31)).convert(mode)
                put(f'{compression} {mode}', saved(image, 'TIFF', compression=compression))
            except Exception: pass
    pages = [Image.fromarray(picture(9, 7)) for _ in range(3)]
    put('three pages', saved(pages[0], 'TIFF', save_all=True, append_images=pages[1:]))


def bmp(width, height, bits, rows, compression=0, masks=b'', palette=b'', header=40):
    if header == 12: info = struct.pack('<IHHHH', 12, width, height, 1, bits)
    else:
        info = struct.pack('<IiiHHIIiiII', header, width, height, 1, bits, compression, len(rows), 0, 0, len(palette) // 4, 0)
        info += masks.ljust(header - 40, b'\0') if header > 40 else masks
    offset = 14 + len(info) + len(palette)
    return b'BM' + struct.pack('<IHHI', offset + len(rows), 0, 0, offset) + info + palette + rows


def bmps():
    for mode in ('1', 'L', 'P', 'RGB', 'RGBA'):
        for width in (1, 2, 3, 5, 8, 33): put(f'BMP {mode} {width}', saved(Image.fromarray(picture(width, 7)).convert(mode), 'BMP'))
    noise = lambda n: rng.integers(0, 256, n).astype(np.uint8).tobytes()
    for height in (6, -6):
        put(f'BMP 24 height {height}', bmp(5, height, 24, noise(16 * 6)))
        put(f'BMP 16 height {height}', bmp(5, height, 16, noise(12 * 6)))
        put(f'BMP 32 height {height}', bmp(5, height, 32, noise(20 * 6)))
        put(f'BMP 4 height {height}', bmp(5, height, 4, noise(4 * 6), palette=noise(64)))
        put(f'BMP 1 height {height}', bmp(5, height, 1, noise(4 * 6), palette=noise(8)))
        put(f'BMP 8 height {height}', bmp(5, height, 8, noise(8 * 6), palette=noise(1024)))
    put('BMP 8 short palette', bmp(5, 6, 8, (np.frombuffer(noise(48), np.uint8) % 16).tobytes(), palette=noise(64)))
    put('BMP 565', bmp(5, 6, 16, noise(72), 3, struct.pack('<III', 0xf800, 0x7e0, 0x1f)))
    put('BMP 555 masks', bmp(5, 6, 16, noise(72), 3, struct.pack('<III', 0x7c00, 0x3e0, 0x1f)))
    for masks in ((0xff0000, 0xff00, 0xff), (0xff000000, 0xff0000, 0xff00), (0xff, 0xff00, 0xff0000), (0xff0000, 0xff00, 0xff00)):
        put(f'BMP 32 masks {masks}', bmp(5, 6, 32, noise(120), 3, struct.pack('<III', *masks)))
        put(f'BMP V4 32 masks {masks}', bmp(5, 6, 32, noise(120), 3, struct.pack('<IIII', *masks, 0xff000000), header=108))
    put('BMP V5 24', bmp(5, 6, 24, noise(96), header=124))
    put('BMP OS/2 24', bmp(5, 6, 24, noise(96), header=12))
    put('BMP OS/2 8', bmp(5, 6, 8, noise(48), palette=noise(768), header=12))
    rle8 = [6, 9, 0, 0, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 3, 7, 0, 3, 8, 9, 10, 0, 0, 1]
    put('BMP RLE8', bmp(6, 3, 8, bytes(rle8), 1, palette=noise(1024)))
    rle4 = [6, 0x12, 0, 0, 0, 6, 0x12, 0x34, 0x56, 0, 0, 0, 3, 0x45, 0, 3, 0x67, 0x80, 0, 1]
    put('BMP RLE4', bmp(6, 3, 4, bytes(rle4), 2, palette=noise(64)))
    put('BMP RLE8 skips', bmp(6, 3, 8, bytes([2, 9, 0, 2, 2, 1, 2, 5, 0, 0, 6, 3, 0, 1]), 1, palette=noise(1024)))
    put('BMP RLE8 ends early', bmp(6, 3, 8, bytes([6, 9, 0, 0, 6, 3]), 1, palette=noise(1024)))
    put('BMP short', bmp(5, 6, 24, noise(50)))


def pnms():
    for mode, name in (('1', 'P4'), ('L', 'P5'), ('RGB', 'P6')):
        for width in (1, 7, 8, 9, 30): put(f'{name} {width}', saved(Image.fromarray(picture(width, 5)).convert(mode), 'PPM'))
    put('P5 16', saved(Image.fromarray(rng.integers(0, 65536, (5, 9)).astype(np.uint16)), 'PPM'))
    put('P5 16 small', saved(Image.fromarray(rng.integers(0, 600, (5, 9)).astype(np.uint16)), 'PPM'))
    for most in (1, 3, 15, 100, 254, 255, 256, 1000, 4095, 65535):
        size = 2 if most > 255 else 1
        values = rng.integers(0, most + 1, 36)
        for name, channels in (('P5', 1), ('P6', 3)):
            raw = values.astype('>u2' if size == 2 else np.uint8).tobytes()
            put(f'{name} up to {most}', f'{name}\n# a comment\n{36 // channels // 3} 3 {most}\n'.encode() + raw)
            text = ' '.join(map(str, values))
            put(f'{name} text up to {most}', f'{"P2" if channels == 1 else "P3"} {36 // channels // 3}\n#c\n 3\n{most}\n{text}\n'.encode())
    put('P1', b'P1\n# bits\n7 3\n0101010\n1 1 1 0 0 0 1\n1010101\n')
    put('P6 over', b'P6 2 1 100\n' + bytes([0, 50, 100, 101, 200, 255]))
    put('P6 short', b'P6 4 4 255\n' + bytes(20))
    put('P6 comment in size', b'P6 2#x\n 1 255\n' + bytes(range(6)))
    put('PAM', b'P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n' + bytes(range(6)))
    put('PFM', b'Pf\n2 2\n-1.0\n' + np.array([1, 2.7, 300, -4], '<f4').tobytes())
    put('Py', b'P8 2 2 1 0000')


def others():
    put('PNG 16', saved(Image.fromarray(rng.integers(0, 65536, (5, 9)).astype(np.uint16)), 'PNG'))
    for mode in ('1', 'L', 'LA', 'P', 'RGB', 'RGBA'):
        put(f'PNG {mode}', saved(Image.fromarray(picture(19, 6)).convert(mode), 'PNG'))
        put(f'WebP {mode}', saved(Image.fromarray(picture(19, 6)).convert(mode), 'WEBP', lossless=True))
        if mode in ('1', 'L', 'P', 'RGB'): put(f'GIF {mode}', saved(Image.fromarray(picture(19, 6)).convert(mode), 'GIF'))
    put('PNG transparent colour', saved(Image.fromarray(picture(19, 6)), 'PNG', transparency=(1, 2, 3)))
    put('PNG transparent palette', saved(Image.fromarray(picture(19, 6)).convert('P'), 'PNG', transparency=bytes(range(0, 256, 2))))
    for bits in (1, 2, 4): put(f'PNG palette {bits}', saved(Image.fromarray(picture(19, 6)).quantize(1 << bits), 'PNG', bits=bits))
    frames = [Image.fromarray(picture(20, 12)).quantize(64) for _ in range(3)]
    put('GIF of frames', saved(frames[0], 'GIF', save_all=True, append_images=frames[1:], loop=0))
    put('GIF transparent', saved(frames[0], 'GIF', transparency=5))
    put('GIF interlaced', saved(frames[1], 'GIF', interlace=1))
    put('WebP of frames', saved(frames[0].convert('RGB'), 'WEBP', save_all=True, append_images=[f.convert('RGB') for f in frames[1:]], lossless=True))
    put('WebP lossy', saved(Image.fromarray(picture(40, 31)), 'WEBP', quality=60))
    turned = Image.fromarray(picture(19, 6)); exif = turned.getexif(); exif[0x112] = 6
    put('PNG orientation', saved(turned, 'PNG', exif=exif)); put('WebP orientation', saved(turned, 'WEBP', lossless=True, exif=exif))


{'jpeg': jpegs, 'tiff': tiffs, 'plain': lambda: (bmps(), pnms(), others())}[family]()
print(json.dumps(entries))
