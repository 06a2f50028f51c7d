"""Images that the project builds itself: recipes, and what turns them into disks."""
