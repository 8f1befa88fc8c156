"""Profile pictures: anything comes in, two small WebP squares that we drew ourselves go out."""
