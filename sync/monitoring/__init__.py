"""The values served now, beside those served before or trained on."""
