//! The words of streams, against what `virgl_protocol.h` says.

use super::{numbers::*, *};

#[test]
fn a_header_is_number_object_and_length() {
    assert_eq!(
        header(command::CREATE_OBJECT, object::SURFACE, 5),
        0x0005_0801
    );
    let mut stream = Stream::new();
    stream.command(command::BIND_OBJECT, object::BLEND, &[7]);
    assert_eq!(stream.words(), [0x0001_0102, 7]);
    assert_eq!(stream.to_bytes(), [2, 1, 1, 0, 7, 0, 0, 0]);
}

#[test]
fn objects_have_the_lengths_that_the_protocol_demands() {
    let length = |build: fn(&mut Stream) -> &mut Stream| {
        let mut stream = Stream::new();
        let words = build(&mut stream).words().to_vec();
        assert_eq!(words[0] >> 16, u32::try_from(words.len() - 1).unwrap());
        words[0] >> 16
    };
    assert_eq!(length(|s| s.create_surface(1, 2, 3)), 5);
    assert_eq!(length(|s| s.create_blend(1)), 11);
    assert_eq!(length(|s| s.create_depth_stencil_alpha(1)), 5);
    assert_eq!(length(|s| s.create_rasterizer(1)), 9);
    assert_eq!(length(|s| s.create_vertex_elements(1, 2)), 9);
    assert_eq!(length(|s| s.set_framebuffer(&[1, 2])), 4);
    assert_eq!(length(|s| s.set_viewport(640, 480)), 7);
    assert_eq!(length(|s| s.clear([0.0; 4])), 8);
    assert_eq!(length(|s| s.draw(Draw::triangles(3))), 12);
    assert_eq!(length(|s| s.write_inline(1, &[1, 2, 3])), 11 + 3);
}

#[test]
fn a_shader_s_text_ends_with_a_zero_that_counts() {
    let mut stream = Stream::new();
    stream.create_shader(9, SHADER_FRAGMENT, "FRAG");
    assert_eq!(
        stream.words(),
        [
            header(command::CREATE_OBJECT, object::SHADER, 7),
            9,
            SHADER_FRAGMENT,
            5,
            300,
            0,
            u32::from_le_bytes(*b"FRAG"),
            0
        ]
    );
}

#[test]
fn a_triangle_s_first_corner_is_red_and_at_the_top() {
    let [top, ..] = triangle::corners(0.0);
    assert_eq!(top.color, [1.0, 0.0, 0.0, 1.0]);
    assert!(top.place[1] > 0.79 && top.place[0].abs() < 0.01, "{top:?}");
}
