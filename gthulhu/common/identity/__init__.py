"""Who is who: certificates between the parts, tokens for users, nodes and schedulers."""
