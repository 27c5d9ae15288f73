"""The blog, reached by HTML, REST and GraphQL."""

from blog.models import Article

from covet.management import call_command


async def test_the_loaded_articles_are_served_by_rest_and_graphql(client, db):
    await call_command("load_blog", articles=60)

    page = (await client.get("/api/articles/?size=20")).json()
    answer = (
        await client.post(
            "/graphql",
            json={
                "query": "{ articles(first: 3) { totalCount edges { node { title author { name } tags { name } } } } }"
            },
        )
    ).json()

    assert page["total"] == answer["data"]["articles"]["totalCount"] == 60
    assert len(page["items"]) == 20
    assert all(len(edge["node"]["tags"]) == 2 for edge in answer["data"]["articles"]["edges"])


async def test_a_page_shows_an_article_and_counts_the_view(client, db):
    await call_command("load_blog", articles=5)
    article = await Article.objects.order_by("pk").first()

    response = await client.get(f"/articles/{article.pk}/")

    assert response.status_code == 200
    assert article.title in response.text
    assert (await Article.objects.get(pk=article.pk)).views == article.views + 1
